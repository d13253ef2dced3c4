import assert from 'node:assert/strict';
import { PassThrough } from 'node:stream';
import { test } from 'node:test';
import { JobState } from '#proto/zmesh/v1/adaptation.js';
import { Run, type WatchRunResponse } from '#proto/zmesh/v1/trainer.js';
import { EXIT } from '#services/cli/exit-codes.js';
import type { Io } from '#services/cli/io.js';
import { followRun } from '#services/cli/runs/follow.js';
import { ZmeshError } from '#shared/errors.js';

const ID = 'a'.repeat(20);
const ended = (expert: string) => Run.fromPartial({ id: ID, state: JobState.SUCCEEDED, expert });

function follow(watch: () => AsyncIterable<WatchRunResponse>, run: Run, signal: AbortSignal) {
  const [out, err] = [new PassThrough(), new PassThrough()];
  const trainer = { watchRun: watch, getRun: async () => ({ run }) } as unknown as Parameters<
    typeof followRun
  >[0];
  const code = followRun(trainer, ID, { out, err, signal } as unknown as Io, { json: false });
  return { code, err: () => String(err.read() ?? '') };
}

const events = (run: Run) =>
  async function* (): AsyncIterable<WatchRunResponse> {
    yield { event: { sequence: 1n, time: undefined, run, step: undefined } };
  };

test('a run that published nothing ends as a failure', async () => {
  const { signal } = new AbortController();
  assert.equal(await follow(events(ended('nano/e@1')), ended('nano/e@1'), signal).code, EXIT.ok);
  assert.equal(await follow(events(ended('')), ended(''), signal).code, EXIT.failure);
});

test('a run is followed through a trainer that is lost', async () => {
  const opened: bigint[] = [];
  const watch = async function* ({
    afterSequence,
  }: {
    afterSequence: bigint;
  }): AsyncIterable<WatchRunResponse> {
    opened.push(afterSequence);
    yield {
      event: { sequence: afterSequence + 1n, time: undefined, run: ended('nano/e@1'), step: undefined },
    };
    if (opened.length === 1) throw new ZmeshError('TRAINER_UNAVAILABLE', 'the trainer is not reachable');
  };
  const followed = follow(watch as never, ended('nano/e@1'), new AbortController().signal);
  assert.equal(await followed.code, EXIT.ok);
  assert.deepEqual(opened, [0n, 1n]);
  assert.match(followed.err(), /the trainer is away; the run a+ goes on .*\n(.*\n)*the trainer is back/);
});

test('Ctrl-C leaves the run alone and says how to come back; another error stays one', async () => {
  const interrupt = new AbortController();
  const broken = async function* (): AsyncIterable<WatchRunResponse> {
    yield* events(ended(''))();
    throw new Error('the stream broke');
  };
  await assert.rejects(follow(broken, ended(''), interrupt.signal).code, /the stream broke/);
  interrupt.abort();
  const left = follow(broken, ended(''), interrupt.signal);
  assert.equal(await left.code, EXIT.interrupted);
  assert.match(left.err(), new RegExp(`the run goes on: "zmesh runs watch ${ID}" comes back`));
});
