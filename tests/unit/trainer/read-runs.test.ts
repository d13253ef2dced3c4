import assert from 'node:assert/strict';
import { test } from 'node:test';
import { JobRecord, RunCheckpoint } from '#proto/zmesh/v1/jobs.js';
import { Run, RunStep } from '#proto/zmesh/v1/trainer.js';
import type { StoredJob } from '#services/trainer/jobs/job.js';
import type { JobDesk } from '#services/trainer/jobs/requests.js';
import { getRun } from '#services/trainer/read-runs.js';
import { ZmeshError } from '#shared/errors.js';

const ID = 'a1b2c3d4e5';
const recordOf = (checkpoint: string, attempts = 1): JobRecord =>
  JobRecord.create({ id: ID, attempts, checkpoint, view: { $case: 'run', value: Run.create({ id: ID }) } });

/** A desk whose view shows `seen` while the store holds `stored`, with the objects of those names and no others. */
function deskOf(seen: JobRecord, stored: JobRecord | undefined, objects: readonly string[]): JobDesk {
  const job = (record: JobRecord | undefined): StoredJob | undefined => record && { record, revision: 1 };
  const curve = [RunStep.create({ step: 7 })];
  const desk = {
    view: { get: () => job(seen), list: () => [job(seen)] },
    store: {
      read: async () => job(stored),
      getObject: async ({ name }: { name: string }) => {
        if (objects.includes(name))
          return RunCheckpoint.encode(RunCheckpoint.fromPartial({ curve })).finish();
        throw new ZmeshError('CORRUPT', `${name} is not in the store`);
      },
    },
  };
  return desk as unknown as JobDesk;
}

test('a checkpoint that was replaced since the view saw it: the run as it is now', async () => {
  const run = await getRun(deskOf(recordOf('old'), recordOf('new', 2), ['new']), ID);
  assert.equal(run.attempts, 2);
  assert.deepEqual(
    run.curve.map(({ step }) => step),
    [7],
  );
});

test('a checkpoint that the record still names and the store lost is damage', async () => {
  await assert.rejects(getRun(deskOf(recordOf('old'), recordOf('old'), []), ID), { reason: 'CORRUPT' });
});

test('a run that was removed since the view saw it is not known', async () => {
  await assert.rejects(getRun(deskOf(recordOf('old'), undefined, []), ID), { reason: 'UNKNOWN_JOB' });
});
