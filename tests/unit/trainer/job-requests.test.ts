import assert from 'node:assert/strict';
import { test } from 'node:test';
import { JobState } from '#proto/zmesh/v1/adaptation.js';
import { JobRecord, JobWish } from '#proto/zmesh/v1/jobs.js';
import { RunEvent } from '#proto/zmesh/v1/trainer.js';
import { cancelJob, type JobDesk, pauseJob, resumeJob } from '#services/trainer/jobs/requests.js';
import { JobMoved } from '#services/trainer/jobs/store.js';
import { runEnd } from '#services/trainer/run-view.js';
import { searchEnd } from '#services/trainer/search/search-view.js';

const key = { kind: 'run', id: 'a1' } as const;

/** A desk with one run in `state`, what was told about it, and how often a write of it is lost to someone else's. */
function deskOf(state: JobState, lost = 0) {
  let record = JobRecord.fromPartial({
    format: 1,
    id: key.id,
    state,
    events: 4n,
    view: { $case: 'run', value: { id: key.id } },
  } as never);
  let revision = 1;
  const told: [place: bigint, state: JobState | undefined, ended: boolean][] = [];
  const desk = {
    store: {
      read: async () => ({ record, revision }),
      update: async (next: JobRecord, of: number) => {
        assert.equal(of, revision);
        if (lost > 0) {
          lost -= 1;
          record = { ...record, events: record.events + 1n };
          revision += 1;
          throw new JobMoved('run.a1');
        }
        record = next;
        revision += 1;
        return revision;
      },
    },
    queue: { put: async () => {} },
    events: {
      async publish(of: typeof key, place: bigint, data: Uint8Array) {
        assert.deepEqual(of, key);
        const { sequence, run } = RunEvent.decode(data);
        assert.equal(sequence, place);
        told.push([place, run?.state, run?.finishedAt !== undefined]);
      },
    },
    changes: { run: runEnd, adaptation: searchEnd },
  } as unknown as JobDesk;
  return { desk, told, now: () => record };
}

test('what happens to a job that waits is told as events in its places, and its end has a time', async () => {
  const { desk, told, now } = deskOf(JobState.QUEUED);
  await pauseJob(desk, key);
  await pauseJob(desk, key);
  await resumeJob(desk, key);
  await cancelJob(desk, key);
  await cancelJob(desk, key);
  assert.deepEqual(told, [
    [5n, JobState.PAUSED, false],
    [6n, JobState.QUEUED, false],
    [7n, JobState.CANCELLED, true],
  ]);
  assert.equal(now().events, 7n);
  assert.equal(now().view?.value.finishedAt !== undefined, true);
  assert.equal(RunEvent.decode(now().lastEvent).run?.state, JobState.CANCELLED);
});

test('of a job that is worked on only the wish is written: its trainer tells what comes of it', async () => {
  const { desk, told, now } = deskOf(JobState.RUNNING);
  await pauseJob(desk, key);
  assert.equal(now().wish, JobWish.PAUSE);
  await resumeJob(desk, key);
  assert.equal(now().wish, JobWish.UNSPECIFIED);
  await cancelJob(desk, key);
  assert.deepEqual([now().wish, now().state, now().events], [JobWish.CANCEL, JobState.RUNNING, 4n]);
  assert.deepEqual(told, []);
});

test('a change that someone else was quicker than is decided and numbered anew', async () => {
  const { desk, told } = deskOf(JobState.PAUSED, 2);
  await cancelJob(desk, key);
  assert.deepEqual(told, [[7n, JobState.CANCELLED, true]]);
});
