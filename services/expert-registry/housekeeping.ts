import { sleep } from '#shared/deadline.js';
import type { Logger } from '#shared/log.js';
import { collectGarbage } from './collect-garbage.js';
import type { RegistrySettings } from './config.js';
import type { Registry } from './registry.js';

/** Garbage collection that repeats itself. */
export interface Housekeeping {
  /** Ends it, at once between two removals. */
  stop(): Promise<void>;
}

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;

/** Collects garbage every `gcMinutes`, the first time after one such span, until it is stopped. */
export function startHousekeeping(
  registry: Registry,
  settings: Pick<RegistrySettings, 'retiredDays' | 'orphanHours' | 'gcMinutes' | 'gcDryRun'>,
  log: Logger,
): Housekeeping {
  const { retiredDays, orphanHours, gcMinutes, gcDryRun: dryRun } = settings;
  const stopping = new AbortController();
  const { signal } = stopping;
  const before = (spanMs: number): Date | undefined =>
    spanMs === 0 ? undefined : new Date(Date.now() - spanMs);
  const run = async (): Promise<void> => {
    while (!signal.aborted) {
      await sleep(gcMinutes * MINUTE_MS, signal).catch(() => {});
      if (signal.aborted) return;
      try {
        const retention = {
          retiredBefore: before(retiredDays * DAY_MS),
          orphansBefore: before(orphanHours * HOUR_MS),
          uploadsBefore: new Date(Date.now() - HOUR_MS),
        };
        const collected = await collectGarbage(registry, { ...retention, dryRun, log, signal });
        if (collected.blobs + collected.uploads > 0) log.info({ ...collected, dryRun }, 'garbage collected');
      } catch (error) {
        if (!signal.aborted) log.warn({ err: error }, 'garbage could not be collected; the next run goes on');
      }
    }
  };
  const running = run();
  return {
    async stop() {
      stopping.abort();
      await running;
    },
  };
}
