import type { JobRecord } from '#proto/zmesh/v1/jobs.js';
import type { ZmeshError } from '#shared/errors.js';
import type { JobKey, StoredJob } from './job.js';

/** Someone else wrote the record since it was read. */
export class JobMoved extends Error {}

/** How the records are followed. */
export interface JobFollower {
  /** Called for every change, oldest first; an undefined job was removed, or cannot be read here, and `why` says so. */
  onJob(key: JobKey, job: StoredJob | undefined, why?: ZmeshError): void;
  /** Called when all jobs so far were told. */
  onCurrent(): void;
}

/** An object as it is stored. */
export interface StoredObject {
  readonly name: string;
  readonly sha256: string;
}

/**
 * Where jobs live: small records under compare-and-set, objects beside them, and leases that tell who works.
 * Every method but `follow` throws TRAINER_UNAVAILABLE within seconds when the store is away.
 */
export interface JobStore {
  /** False while the store is away. */
  readonly connected: boolean;
  /** Writes a new record; its revision. Throws JobMoved if the job exists. */
  create(record: JobRecord): Promise<number>;
  /** Writes a record over the given revision; the new one. Throws JobMoved if it was written since. */
  update(record: JobRecord, revision: number): Promise<number>;
  /** The record as it is now; undefined if there is none. Throws CORRUPT for one that cannot be read. */
  read(key: JobKey): Promise<StoredJob | undefined>;
  /** Removes a job's record and every object of it. */
  remove(key: JobKey): Promise<void>;
  /** Follows all records from the present ones on, until `signal` aborts. */
  follow(follower: JobFollower, signal: AbortSignal): Promise<void>;
  /** Stores an object of a job. */
  putObject(key: JobKey, name: string, bytes: Uint8Array): Promise<StoredObject>;
  /** An object whose hash was checked. Throws CORRUPT. */
  getObject(object: StoredObject): Promise<Uint8Array>;
  /** Removes an object; one that is not there is no fault. */
  removeObject(name: string): Promise<void>;
  /** Says for some seconds that `trainer` works on the job. */
  renewLease(key: JobKey, trainer: string): Promise<void>;
  /** Who works on it; undefined = nobody. */
  leaseHolder(key: JobKey): Promise<string | undefined>;
  /** Gives the lease back, if `trainer` still has it. */
  releaseLease(key: JobKey, trainer: string): Promise<void>;
}

/** How long a lease lasts after its last renewal. */
export const LEASE_MS = 8000;
/** How often it is renewed: three renewals may be lost. */
export const RENEW_MS = 2000;
