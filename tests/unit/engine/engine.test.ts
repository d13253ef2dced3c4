import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Engine, EngineEvent, GenerateRequest } from '#services/inference/engine.js';
import { ZmeshError } from '#shared/errors.js';
import { startFakeEngine } from '../../support/fake-engine.js';
import { fakeNext } from '../../support/fake-runtime.js';
import { GREEDY } from './harness.js';

const NEVER = new AbortController().signal;

function request(engine: Engine, given: Partial<GenerateRequest> = {}): GenerateRequest {
  return {
    spectrum: engine.spectra.add('m', Float32Array.of(3), null),
    prompt: Int32Array.of(5, 6, 7),
    priority: 'interactive',
    n: 1,
    maxTokens: 10,
    endIds: [],
    sampling: GREEDY,
    ...given,
  };
}

async function read(events: AsyncIterable<readonly EngineEvent[]>): Promise<EngineEvent[]> {
  const all: EngineEvent[] = [];
  for await (const batch of events) all.push(...batch);
  return all;
}

const tokensOf = (events: readonly EngineEvent[]): number[] =>
  events.flatMap((event) => (event.type === 'token' ? event.token : []));

test('tokens, the answer’s end and the times come over from the thread', async () => {
  const engine = await startFakeEngine();
  const events = await read(engine.generate(request(engine), NEVER).events);
  const expected = [5, 6, 7];
  for (let i = 0; i < 10; i++) expected.push(fakeNext(expected, 3, 97));
  assert.deepEqual(tokensOf(events), expected.slice(3));
  assert.deepEqual(
    events.slice(10).map(({ type }) => type),
    ['answerEnd', 'end'],
  );
  const end = events.at(-1);
  assert(end?.type === 'end');
  const { arrivedMs, startedMs, prefilledMs, endedMs, promptSteps, decodeSteps } = end.times;
  assert(arrivedMs <= startedMs! && startedMs! <= prefilledMs! && prefilledMs! < endedMs);
  assert.deepEqual([promptSteps, decodeSteps], [1, 9]);
  await engine.drain();
});

test('an aborted request throws the signal’s reason at once and frees its place', async () => {
  const engine = await startFakeEngine({ limits: { slots: 1 }, stepMs: 5 });
  const controller = new AbortController();
  const stream = engine.generate(request(engine, { maxTokens: 100 }), controller.signal);
  let tokens = 0;
  const reason = new ZmeshError('DEADLINE', 'too late');
  await assert.rejects(async () => {
    for await (const events of stream.events) {
      tokens += tokensOf(events).length;
      if (tokens >= 3) controller.abort(reason);
    }
  }, reason);
  // The only slot is free again: the next request ends.
  assert.equal(tokensOf(await read(engine.generate(request(engine), NEVER).events)).length, 10);
  await engine.drain();
});

test('leaving a stream early frees its place', async () => {
  const engine = await startFakeEngine({ limits: { slots: 1 }, stepMs: 2 });
  for await (const _ of engine.generate(request(engine, { maxTokens: 100 }), NEVER).events) break;
  assert.equal(tokensOf(await read(engine.generate(request(engine), NEVER).events)).length, 10);
  await engine.drain();
});

test('a thread that dies ends every request with the number of its tokens, and says so', async () => {
  const engine = await startFakeEngine({ create: 'createDyingFake' });
  const streams = [1, 2].map(() => engine.generate(request(engine), NEVER));
  const outcomes = await Promise.all(
    streams.map(async ({ events }) => {
      const tokens: number[] = [];
      try {
        for await (const batch of events) tokens.push(...tokensOf(batch));
      } catch (error) {
        return { tokens: tokens.length, error: error as ZmeshError };
      }
      return { tokens: tokens.length, error: null };
    }),
  );
  for (const { tokens, error } of outcomes) {
    assert.equal(error?.reason, 'ENGINE_STOPPED');
    assert.equal(error.details.value, tokens);
    assert.equal(error.message, `the engine stopped after ${tokens} tokens; the answer is incomplete`);
  }
  assert(outcomes.some(({ tokens }) => tokens > 0));
  assert.match(String((await engine.stopped).details.cause), /the device is gone/);
  assert.throws(() => engine.generate(request(engine), NEVER), { reason: 'ENGINE_STOPPED' });
  await engine.drain();
});

test('a runtime that cannot start is the start’s error', async () => {
  await assert.rejects(startFakeEngine({ create: 'createNothing' }), /no such device/);
});

test('draining refuses new requests and finishes those that run', async () => {
  const engine = await startFakeEngine({ stepMs: 3 });
  const running = read(engine.generate(request(engine, { maxTokens: 15 }), NEVER).events);
  await sleep(5);
  const drained = engine.drain();
  assert.throws(() => engine.generate(request(engine), NEVER), { reason: 'DRAINING' });
  assert.equal(tokensOf(await running).length, 15);
  await drained;
});

test('spectra are sent once, dropped least recently used first, and never while in use', async () => {
  const engine = await startFakeEngine({ spectrumMaxBytes: 8 });
  const { spectra } = engine;
  const first = spectra.add('a', Float32Array.of(1), null);
  spectra.add('b', Float32Array.of(2), 'trace').release();
  assert.equal(spectra.lease('c'), null);
  const again = spectra.lease('b')!;
  assert.equal(again.normalisation, 'trace');
  assert.throws(() => spectra.add('c', Float32Array.of(3), null), {
    reason: 'QUEUE_FULL',
    message: 'the mixtures in use fill 8 of 8 bytes; another one of 4 does not fit',
  });
  again.release();
  spectra.add('c', Float32Array.of(3), null).release();
  assert.deepEqual([spectra.lease('b'), spectra.count, spectra.bytes], [null, 2, 8]);
  // Generations under a lease release it; then it can go.
  await read(engine.generate(request(engine, { spectrum: first }), NEVER).events);
  spectra.add('d', Float32Array.of(4), null).release();
  assert.equal(spectra.lease('a'), null);
  await engine.drain();
});
