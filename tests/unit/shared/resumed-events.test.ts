import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ZmeshError } from '#shared/errors.js';
import { resumedEvents } from '#shared/rpc/resumed-events.js';

interface Numbered {
  readonly sequence: bigint;
}

const lost = new ZmeshError('TRAINER_UNAVAILABLE', 'the trainer is not reachable');
const { signal } = new AbortController();

/** Streams one after the other: numbers are events, an error breaks the stream. */
function streams(...all: readonly (readonly (bigint | Error)[])[]) {
  const asked: bigint[] = [];
  const open = async function* (after: bigint): AsyncIterable<{ event: Numbered }> {
    const stream = all[asked.length] ?? [];
    asked.push(after);
    for (const one of stream) {
      if (one instanceof Error) throw one;
      yield { event: { sequence: one } };
    }
  };
  return { open, asked };
}

async function read(events: AsyncIterable<Numbered>): Promise<bigint[]> {
  const seen: bigint[] = [];
  for await (const { sequence } of events) seen.push(sequence);
  return seen;
}

test('a stream that is lost is opened again behind the last event, and each event comes once', async () => {
  const { open, asked } = streams([1n, 2n, lost], [lost], [2n, 3n]);
  const told: string[] = [];
  const options = {
    open,
    patienceMs: 60_000,
    signal,
    onLost: () => told.push('lost'),
    onBack: () => told.push('back'),
  };
  assert.deepEqual(await read(resumedEvents(options)), [1n, 2n, 3n]);
  assert.deepEqual(asked, [0n, 2n, 2n]);
  assert.deepEqual(told, ['lost', 'back'], 'once, however often it was tried');
});

test('a stream begins behind the events that the caller has', async () => {
  const { open, asked } = streams([8n]);
  assert.deepEqual(await read(resumedEvents({ open, after: 7n, patienceMs: 0, signal })), [8n]);
  assert.deepEqual(asked, [7n]);
});

test('what is no outage, what lasts too long, and what onLost refuses is thrown', async () => {
  const unknown = new ZmeshError('UNKNOWN_JOB', 'there is no run');
  await assert.rejects(
    read(resumedEvents({ open: streams([1n, unknown]).open, patienceMs: 60_000, signal })),
    unknown,
  );
  const away = streams([1n, lost], [lost]);
  await assert.rejects(read(resumedEvents({ open: away.open, patienceMs: 0, signal })), lost);
  const onLost = (error: ZmeshError): never => {
    throw error;
  };
  const never = streams([lost]);
  await assert.rejects(read(resumedEvents({ open: never.open, patienceMs: 60_000, signal, onLost })), lost);
  assert.equal(never.asked.length, 1);
});

test('a caller that leaves while the server is away does not wait for it', async () => {
  const leaving = new AbortController();
  const { open } = streams([1n, lost], [lost], [lost]);
  const onLost = (): void => leaving.abort(new Error('left'));
  await assert.rejects(
    read(resumedEvents({ open, patienceMs: 60_000, signal: leaving.signal, onLost })),
    /left/,
  );
});
