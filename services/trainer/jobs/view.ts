import type { ZmeshError } from '#shared/errors.js';
import { epochMs } from '#shared/timestamp.js';
import type { JobKey, JobKind, StoredJob } from './job.js';
import { keyText } from './job.js';
import type { JobStore } from './store.js';

/** All jobs in memory, fed by the store; reads are answered from it while the store is away. */
export interface JobView {
  /** Resolves when all jobs at the start are known. */
  readonly loaded: Promise<void>;
  get(key: JobKey): StoredJob | undefined;
  /** Why a job that is there cannot be read here: FORMAT_NEWER, CORRUPT. */
  fault(key: JobKey): ZmeshError | undefined;
  /** Jobs of a kind, the newest first. */
  list(kind: JobKind): StoredJob[];
  /** Calls `listener` after every change; returns what stops it. */
  subscribe(listener: () => void): () => void;
  /** Stops following. */
  stop(): Promise<void>;
}

/** Follows a store's records. */
export function followJobs(store: JobStore): JobView {
  const jobs = new Map<string, StoredJob>();
  const faults = new Map<string, ZmeshError>();
  const listeners = new Set<() => void>();
  const stopping = new AbortController();
  let following: Promise<void> = Promise.resolve();
  const loaded = new Promise<void>((resolve, reject) => {
    const follower = {
      onJob(key: JobKey, job: StoredJob | undefined, why?: ZmeshError): void {
        if (job) jobs.set(keyText(key), job);
        else jobs.delete(keyText(key));
        if (why) faults.set(keyText(key), why);
        else faults.delete(keyText(key));
        for (const listener of [...listeners]) listener();
      },
      onCurrent: resolve,
    };
    following = store.follow(follower, stopping.signal).catch(reject);
  });
  return {
    loaded,
    get: (key) => jobs.get(keyText(key)),
    fault: (key) => faults.get(keyText(key)),
    list: (kind) =>
      [...jobs.entries()]
        .filter(([key]) => key.startsWith(`${kind}.`))
        .map(([, job]) => job)
        .sort((a, b) => createdMs(b) - createdMs(a) || (a.record.id < b.record.id ? -1 : 1)),
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    async stop() {
      stopping.abort();
      await following;
    },
  };
}

function createdMs({ record }: StoredJob): number {
  const createdAt = record.view?.value.createdAt;
  return createdAt ? epochMs(createdAt) : 0;
}
