import assert from 'node:assert/strict';
import { test } from 'node:test';
import { JobState } from '#proto/zmesh/v1/adaptation.js';
import { JobRecord, JobWish } from '#proto/zmesh/v1/jobs.js';
import { ClaimLost, type ClaimParts, claimJob, JobStopped } from '#services/trainer/jobs/claim.js';
import { JobMoved, type JobStore, type StoredObject } from '#services/trainer/jobs/store.js';
import { sha256Hex } from '#shared/ids.js';
import { createLog } from '#shared/log.js';

const key = { kind: 'run', id: 'a1' } as const;
const view = (trainer: string) =>
  ({ $case: 'run', value: { trainer } }) as unknown as NonNullable<JobRecord['view']>;
const bytes = (text: string): Uint8Array => Buffer.from(text);

/** One job in a store that refuses a write over a revision that is gone, and what was told of it. */
function world() {
  let job = { record: JobRecord.create({ format: 1, id: key.id, state: JobState.QUEUED }), revision: 1 };
  job.record.view = view('');
  const objects = new Map<string, Uint8Array>();
  const events: string[] = [];
  const store = {
    read: async () => job,
    async update(record: JobRecord, revision: number) {
      if (revision !== job.revision) throw new JobMoved('it was written since');
      job = { record, revision: revision + 1 };
      return job.revision;
    },
    async putObject(_: unknown, name: string, content: Uint8Array): Promise<StoredObject> {
      objects.set(name, content);
      return { name, sha256: sha256Hex(content) };
    },
    getObject: async ({ name }: StoredObject) => objects.get(name)!,
    removeObject: async (name: string) => void objects.delete(name),
  } as unknown as JobStore;
  /** Claims the job as `seen`: as it is, unless something came between. */
  const claim = (trainer: string, seen = job) => {
    const parts: ClaimParts = {
      store,
      trainer,
      events: {
        publish: async (_: unknown, sequence: bigint, event: Uint8Array) =>
          void events.push(`${sequence} ${Buffer.from(event)}`),
      } as unknown as ClaimParts['events'],
      log: createLog('test', { ZMESH_LOG_LEVEL: 'silent' }),
    };
    return claimJob(parts, key, seen);
  };
  return {
    claim,
    events,
    now: () => job,
    wish: (wish: JobWish) => store.update({ ...job.record, wish }, job.revision),
  };
}

const progress = (trainer: string) => ({
  view: view(trainer),
  checkpoint: bytes(`progress of ${trainer}`),
  event: () => bytes(trainer),
});

test('whoever had the job before another trainer took it up changes nothing: record, progress and events are the other’s', async () => {
  const { claim, events, now } = world();
  const first = await claim('one');
  await first.save(progress('one'));
  const second = await claim('two');
  // Both before the other one has saved anything, and after.
  await assert.rejects(first.save(progress('one')), ClaimLost);
  await second.save(progress('two'));
  const kept = now();
  await assert.rejects(first.save(progress('one')), ClaimLost);
  await assert.rejects(first.save({ view: view('one'), state: JobState.SUCCEEDED }), ClaimLost);
  assert.deepEqual(now(), kept);
  assert.equal(Buffer.from((await second.checkpoint())!).toString(), 'progress of two');
  // The second told the first's last event again, and its own after it.
  assert.deepEqual(events, ['1 one', '1 one', '2 two']);
  await second.save(progress('two'));
  assert.equal(now().record.attempts, 2);
});

test('of two trainers that claim at once one gets the job', async () => {
  const { claim, now } = world();
  const seen = now();
  const claimed = await Promise.allSettled([claim('one', seen), claim('two', seen)]);
  assert.deepEqual(claimed.map(({ status }) => status).sort(), ['fulfilled', 'rejected']);
  assert.equal(now().record.attempts, 1);
});

test('a wish that comes between two saves is no other trainer: the progress is kept, then the job stops', async () => {
  const { claim, now, wish } = world();
  const first = await claim('one');
  await wish(JobWish.PAUSE);
  await assert.rejects(
    first.save(progress('one')),
    (error: unknown) => error instanceof JobStopped && error.wish === JobWish.PAUSE,
  );
  assert.equal(Buffer.from((await first.checkpoint())!).toString(), 'progress of one');
  assert.equal(now().record.wish, JobWish.PAUSE);
});
