import { JobState } from '#proto/zmesh/v1/adaptation.js';
import { sleep } from '#shared/deadline.js';
import type { Logger } from '#shared/log.js';
import { msSince } from '#shared/timestamp.js';
import { isOver, JOB_KINDS, keyOfRecord, keyText } from './job.js';
import type { JobDesk } from './requests.js';

/** How the janitor works. */
export interface JanitorOptions extends JobDesk {
  /** Days that jobs are kept after their end; 0 = for ever. */
  readonly keepDays: number;
  readonly log: Logger;
  /** How often it looks, milliseconds. Default 10000. */
  readonly everyMs?: number;
}

const EVERY_MS = 10_000;
const DAY_MS = 86_400_000;

/**
 * Makes good what crashes leave: puts every job that waits or should be running into the queue (where it stands already,
 * nothing happens), and removes jobs that ended long ago, with their objects. Every trainer has one.
 */
export function startJanitor(options: JanitorOptions): { stop(): Promise<void> } {
  const stopping = new AbortController();
  const clean = async (): Promise<void> => {
    while (!stopping.signal.aborted) {
      await round(options).catch((err: unknown) => options.log.debug({ err }, 'the janitor was interrupted'));
      await sleep(options.everyMs ?? EVERY_MS, stopping.signal).catch(() => {});
    }
  };
  const cleaning = clean();
  return {
    async stop() {
      stopping.abort();
      await cleaning;
    },
  };
}

async function round({ store, queue, view, keepDays, log }: JanitorOptions): Promise<void> {
  for (const kind of JOB_KINDS) {
    for (const { record } of view.list(kind)) {
      const key = keyOfRecord(record);
      const finishedAt = record.view?.value.finishedAt;
      if (record.state === JobState.QUEUED || record.state === JobState.RUNNING) await queue.put(key);
      else if (
        keepDays > 0 &&
        isOver(record.state) &&
        finishedAt &&
        msSince(finishedAt) > keepDays * DAY_MS
      ) {
        await store.remove(key);
        log.info({ job: keyText(key) }, 'a job that ended long ago was removed');
      }
    }
  }
}
