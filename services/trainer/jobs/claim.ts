import { JobState } from '#proto/zmesh/v1/adaptation.js';
import { type JobRecord, JobWish } from '#proto/zmesh/v1/jobs.js';
import { ZmeshError } from '#shared/errors.js';
import type { Logger } from '#shared/log.js';
import type { JobEvents } from './events-jetstream.js';
import { isOver, type JobKey, keyText, type StoredJob } from './job.js';
import { JobMoved, type JobStore } from './store.js';

/** The claim was lost: another trainer took the job up. Nothing may be written any more. */
export class ClaimLost extends Error {
  constructor(key: JobKey) {
    super(`another trainer took up ${keyText(key)}`);
    this.name = 'ClaimLost';
  }
}

/** What a caller's wish ended. */
export class JobStopped extends Error {
  readonly wish: JobWish;

  constructor(wish: JobWish) {
    super(wish === JobWish.PAUSE ? 'the job was paused' : 'the job was cancelled');
    this.name = 'JobStopped';
    this.wish = wish;
  }
}

/** A change of a job by the trainer that has claimed it. */
export interface JobChange {
  /** What callers see from now on. */
  readonly view: NonNullable<JobRecord['view']>;
  /** The state from now on. Default: as it is. */
  readonly state?: JobState;
  /** Progress to go on from; replaces the one before. Default: that one stays. */
  readonly checkpoint?: Uint8Array;
  /** The event that tells it, encoded; `sequence` is its place. Default: no event. */
  readonly event?: (sequence: bigint) => Uint8Array;
  /** Outages in a row from now on. Default: none after progress, else as many as before. */
  readonly outages?: number;
}

/** A trainer's claim on a job: the only way to write its progress. */
export interface JobClaim {
  readonly key: JobKey;
  /** The record as it was last written. */
  readonly record: JobRecord;
  /** What was asked, encoded. Throws CORRUPT. */
  input(): Promise<Uint8Array>;
  /** The progress to go on from; undefined before the first. Throws CORRUPT. */
  checkpoint(): Promise<Uint8Array | undefined>;
  /**
   * Writes a change: object first, record by compare-and-set, then the event. Throws ClaimLost if another trainer has the
   * job, TRAINER_UNAVAILABLE. Where a caller wishes the job to pause or end, that is done with it: throws JobStopped.
   */
  save(change: JobChange): Promise<void>;
  /** Stores an object beside the progress, under `<job>.<name>`. */
  putObject(name: string, bytes: Uint8Array): Promise<void>;
}

/** What a claim needs. */
export interface ClaimParts {
  readonly store: JobStore;
  readonly events: JobEvents;
  /** Name of this trainer. */
  readonly trainer: string;
  readonly log: Logger;
}

/**
 * Claims a job for this trainer: from here on whoever had it before is refused. Publishes its last event again, which the
 * one before may not have come to. Throws JobMoved if someone else was quicker.
 */
export async function claimJob(parts: ClaimParts, key: JobKey, job: StoredJob): Promise<JobClaim> {
  const { store, events, trainer } = parts;
  const record: JobRecord = {
    ...job.record,
    state: JobState.RUNNING,
    attempts: job.record.attempts + 1,
    trainer,
    view: withoutFailure(job.record.view),
  };
  const revision = await store.update(record, job.revision);
  const claim = new Claim(parts, key, { record, revision });
  if (record.events > 0n) await events.publish(key, record.events, record.lastEvent);
  return claim;
}

/** What it waited for is over, or will be said again. */
function withoutFailure(view: JobRecord['view']): JobRecord['view'] {
  if (view?.$case === 'run') return { ...view, value: { ...view.value, failure: undefined } };
  return view && { ...view, value: { ...view.value, failure: undefined } };
}

class Claim implements JobClaim {
  readonly key: JobKey;
  readonly #parts: ClaimParts;
  #job: StoredJob;

  constructor(parts: ClaimParts, key: JobKey, job: StoredJob) {
    this.#parts = parts;
    this.key = key;
    this.#job = job;
  }

  get record(): JobRecord {
    return this.#job.record;
  }

  input(): Promise<Uint8Array> {
    const { input: name, inputSha256: sha256 } = this.record;
    return this.#parts.store.getObject({ name, sha256 });
  }

  async checkpoint(): Promise<Uint8Array | undefined> {
    const { checkpoint: name, checkpointSha256: sha256 } = this.record;
    return name === '' ? undefined : this.#parts.store.getObject({ name, sha256 });
  }

  async putObject(name: string, bytes: Uint8Array): Promise<void> {
    await this.#parts.store.putObject(this.key, name, bytes);
  }

  async save(change: JobChange): Promise<void> {
    const { store, events } = this.#parts;
    const before = this.record;
    let next: JobRecord = {
      ...before,
      view: change.view,
      state: change.state ?? before.state,
      outages: change.outages ?? (change.checkpoint ? 0 : before.outages),
    };
    if (change.checkpoint) {
      // A name for every attempt and step: what another trainer writes never falls on it.
      const name = `checkpoint.${before.attempts}.${before.events}`;
      const object = await store.putObject(this.key, name, change.checkpoint);
      next = { ...next, checkpoint: object.name, checkpointSha256: object.sha256 };
    }
    if (change.event) {
      const sequence = before.events + 1n;
      next = { ...next, events: sequence, lastEvent: change.event(sequence) };
    }
    await this.#write(next);
    if (change.event) await events.publish(this.key, next.events, next.lastEvent);
    if (change.checkpoint && before.checkpoint !== '' && before.checkpoint !== next.checkpoint)
      await this.#forget(before.checkpoint);
    const { wish } = this.record;
    if (wish !== JobWish.UNSPECIFIED && !isOver(this.record.state)) throw new JobStopped(wish);
  }

  /** Compare-and-set; a wish that came meanwhile is taken over, another trainer's claim is not. */
  async #write(next: JobRecord): Promise<void> {
    const { store } = this.#parts;
    for (;;) {
      try {
        const revision = await store.update(next, this.#job.revision);
        this.#job = { record: next, revision };
        return;
      } catch (error) {
        if (!(error instanceof JobMoved)) throw error;
      }
      const now = await store.read(this.key);
      if (!now || now.record.attempts !== next.attempts || now.record.trainer !== next.trainer)
        throw new ClaimLost(this.key);
      this.#job = { record: this.#job.record, revision: now.revision };
      next = { ...next, wish: now.record.wish };
    }
  }

  /** What stays behind costs room alone, so its removal may fail. */
  async #forget(object: string): Promise<void> {
    try {
      await this.#parts.store.removeObject(object);
    } catch (err) {
      this.#parts.log.warn({ err, object }, 'an old checkpoint stays behind');
    }
  }
}

/** The error that a job fails with. */
export function failureOf(thrown: unknown): { readonly reason: string; readonly message: string } {
  const { reason, message } = ZmeshError.from(thrown);
  return { reason, message };
}
