import assert from 'node:assert/strict';
import { test } from 'node:test';
import { JobState } from '#proto/zmesh/v1/adaptation.js';
import { JobRecord } from '#proto/zmesh/v1/jobs.js';
import type { JobEvents } from '#services/trainer/jobs/events-jetstream.js';
import type { JobQueue, QueuedJob } from '#services/trainer/jobs/queue-jetstream.js';
import type { JobStore } from '#services/trainer/jobs/store.js';
import type { JobView } from '#services/trainer/jobs/view.js';
import { type JobWork, startWorker } from '#services/trainer/jobs/worker.js';
import { sleep } from '#shared/deadline.js';
import { ZmeshError } from '#shared/errors.js';
import { createLog } from '#shared/log.js';

const key = { kind: 'run', id: 'a1' } as const;
const view = { $case: 'run', value: {} } as unknown as NonNullable<JobRecord['view']>;

/** A job whose attempts are `attempts`, in turn; how long it was put back after each, 0 where it was done. */
async function waitsOf(attempts: readonly JobWork['work'][]): Promise<number[]> {
  let record = JobRecord.fromPartial({ format: 1, id: key.id, state: JobState.QUEUED, view } as never);
  let revision = 1;
  const waits: number[] = [];
  const store = {
    read: async () => ({ record, revision }),
    update: async (next: JobRecord) => {
      record = next;
      revision += 1;
      return revision;
    },
    leaseHolder: async () => undefined,
    renewLease: async () => {},
    releaseLease: async () => {},
    putObject: async (_key: unknown, name: string) => ({ name, sha256: '' }),
    removeObject: async () => {},
  } as unknown as JobStore;
  let given = 0;
  let attempted = (): void => {};
  const queue: Pick<JobQueue, 'next'> = {
    async next(signal) {
      if (waits.length < given || given === attempts.length) {
        await sleep(10, signal).catch(() => {});
        return undefined;
      }
      given += 1;
      const ended = (ms: number): void => {
        waits.push(ms);
        if (waits.length === attempts.length) attempted();
      };
      return { key, working() {}, done: () => ended(0), later: ended } satisfies QueuedJob;
    },
  };
  const over = new Promise<void>((resolve) => {
    attempted = resolve;
  });
  const work: JobWork = {
    work: (claim, signal) => attempts[given - 1]!(claim, signal),
    end: () => ({ view, event: () => new Uint8Array() }),
  };
  const worker = startWorker({
    store,
    events: { publish: async () => {} } as unknown as JobEvents,
    view: { subscribe: () => () => {}, get: () => undefined } as unknown as JobView,
    queue: queue as JobQueue,
    works: { run: work, adaptation: work },
    trainer: 'one',
    jobsMax: 1,
    log: createLog('test', { ZMESH_LOG_LEVEL: 'silent' }),
  });
  await over;
  await worker.stop();
  return waits;
}

const outage: JobWork['work'] = async () => {
  throw new ZmeshError('INFERENCE_UNAVAILABLE', 'inference is not reachable');
};
const progressThenOutage: JobWork['work'] = async (claim, signal) => {
  await claim.save({ view, checkpoint: new Uint8Array(1) });
  await outage(claim, signal);
};

test('a job waits twice as long after each outage in a row, to half a minute', async () => {
  const waits = await waitsOf([outage, outage, outage, outage, outage, outage]);
  assert.deepEqual(waits, [2000, 4000, 8000, 16_000, 30_000, 30_000]);
});

test('progress ends the row, however often the job was attempted', async () => {
  const waits = await waitsOf([outage, outage, outage, progressThenOutage, outage]);
  assert.deepEqual(waits, [2000, 4000, 8000, 2000, 4000]);
});

test('what is no outage ends the job', async () => {
  const broken: JobWork['work'] = async () => {
    throw new ZmeshError('CORRUPT', 'the checkpoint cannot be read');
  };
  assert.deepEqual(await waitsOf([outage, broken]), [2000, 0]);
});
