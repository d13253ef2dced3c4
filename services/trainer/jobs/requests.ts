import { randomUUID } from 'node:crypto';
import { context, propagation } from '@opentelemetry/api';
import { JobState } from '#proto/zmesh/v1/adaptation.js';
import { JobRecord, JobWish } from '#proto/zmesh/v1/jobs.js';
import { ZmeshError } from '#shared/errors.js';
import { sha256Hex } from '#shared/ids.js';
import type { JobEvents } from './events-jetstream.js';
import {
  isOver,
  JOB_FORMAT,
  type JobKey,
  type JobKind,
  type StateChange,
  stateText,
  unknownJob,
} from './job.js';
import type { JobQueue } from './queue-jetstream.js';
import { JobMoved, type JobStore } from './store.js';
import type { JobView } from './view.js';

/** What the requests of callers work on. */
export interface JobDesk {
  readonly store: JobStore;
  readonly queue: JobQueue;
  readonly view: JobView;
  readonly events: JobEvents;
  /** How a job of each kind is shown in a new state. */
  readonly changes: Readonly<Record<JobKind, StateChange>>;
}

/** A job to be. */
export interface NewJob {
  readonly kind: JobKind;
  /** The caller's id of the request; empty = none, every call is a new job. */
  readonly requestId: string;
  /** What is worked on, encoded. */
  readonly input: Uint8Array;
  /** What was asked, encoded; the same bytes under one request id are the same request. Default: `input`. */
  readonly asked?: Uint8Array;
  /** What callers see, for a job of this id. */
  readonly view: (id: string) => NonNullable<JobRecord['view']>;
}

/** The job of a request id that was used before; undefined for a new one, or none. Throws REQUEST_CONFLICT if that was another request, TRAINER_UNAVAILABLE. */
export async function earlierJob(
  { store }: Pick<JobDesk, 'store'>,
  { kind, requestId, asked }: Pick<NewJob, 'kind' | 'requestId'> & { readonly asked: Uint8Array },
): Promise<JobRecord | undefined> {
  if (requestId === '') return undefined;
  const earlier = await store.read(jobKey(kind, requestId));
  return earlier && sameRequest(earlier.record, sha256Hex(asked), requestId);
}

function jobKey(kind: JobKind, seed: string): JobKey {
  return { kind, id: sha256Hex(`${kind}\0${seed}`).slice(0, ID_DIGITS) };
}

const ID_DIGITS = 20;
const ID_PREFIX_MIN = 6;
/** How often a write is decided anew because someone else wrote. */
const ATTEMPTS_MAX = 50;

/**
 * Creates a job and puts it into the queue: input first, record second, queue last, each of which may be repeated. Under a
 * request id that was used before it gives that job. Throws REQUEST_CONFLICT if that was another request,
 * TRAINER_UNAVAILABLE.
 */
export async function createJob({ store, queue }: JobDesk, job: NewJob): Promise<JobRecord> {
  const { kind, requestId, input, asked = input } = job;
  const key = jobKey(kind, requestId === '' ? randomUUID() : requestId);
  const { id } = key;
  const requestSha256 = sha256Hex(asked);
  const earlier = await earlierJob({ store }, { kind, requestId, asked });
  if (earlier) return earlier;
  const object = await store.putObject(key, 'input', input);
  const trace: Record<string, string> = {};
  propagation.inject(context.active(), trace);
  const record = JobRecord.create({
    format: JOB_FORMAT,
    id,
    requestSha256,
    state: JobState.QUEUED,
    input: object.name,
    inputSha256: object.sha256,
    trace,
  });
  const complete: JobRecord = { ...record, view: job.view(id) };
  try {
    await store.create(complete);
  } catch (error) {
    if (!(error instanceof JobMoved)) throw error;
    const other = await store.read(key);
    if (!other) throw error;
    return sameRequest(other.record, requestSha256, requestId);
  }
  await enqueue(queue, key);
  return complete;
}

/** Puts a job into the queue. What fails here is made good by the janitor, so it is no fault of the request. */
async function enqueue(queue: JobQueue, key: JobKey): Promise<void> {
  await queue.put(key).catch(() => {});
}

function sameRequest(record: JobRecord, requestSha256: string, requestId: string): JobRecord {
  if (record.requestSha256 === requestSha256) return record;
  const message = `the request id ${requestId} belongs to another request, which began the job ${record.id}`;
  throw new ZmeshError('REQUEST_CONFLICT', message, { field: 'request_id', names: { job: record.id } });
}

/** Asks a job to pause after its step; one that waits is paused at once. Throws UNKNOWN_JOB, JOB_STATE. */
export function pauseJob(desk: JobDesk, key: JobKey): Promise<JobRecord> {
  return change(desk, key, (record) => {
    if (isOver(record.state)) throw wrongState(record, 'paused');
    if (record.state === JobState.PAUSED) return undefined;
    return { wish: JobWish.PAUSE, state: isWaiting(record) ? JobState.PAUSED : record.state };
  });
}

/** Puts a paused or failed job back into the queue, from where it was. Throws UNKNOWN_JOB, JOB_STATE. */
export async function resumeJob(desk: JobDesk, key: JobKey): Promise<JobRecord> {
  const record = await change(desk, key, (now) => {
    if (now.state !== JobState.PAUSED && now.state !== JobState.FAILED && now.wish !== JobWish.PAUSE)
      throw wrongState(now, 'resumed');
    return {
      wish: JobWish.UNSPECIFIED,
      state: now.state === JobState.RUNNING ? now.state : JobState.QUEUED,
    };
  });
  await enqueue(desk.queue, key);
  return record;
}

/** Asks a job to end; one that nobody works on ends at once. One that is over stays as it is. Throws UNKNOWN_JOB. */
export function cancelJob(desk: JobDesk, key: JobKey): Promise<JobRecord> {
  return change(desk, key, (record) => {
    if (isOver(record.state)) return undefined;
    return { wish: JobWish.CANCEL, state: isWaiting(record) ? JobState.CANCELLED : record.state };
  });
}

function isWaiting({ state }: JobRecord): boolean {
  return state === JobState.QUEUED || state === JobState.PAUSED;
}

/**
 * Changes what is wished of a job and, where nobody works on it, its state: that is told as an event, as every other change of state
 * is. Decides anew whenever someone else was quicker; `decide` gives undefined for no change.
 */
async function change(
  desk: JobDesk,
  key: JobKey,
  decide: (record: JobRecord) => Pick<JobRecord, 'wish' | 'state'> | undefined,
): Promise<JobRecord> {
  const { store, events, changes } = desk;
  for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
    const job = await store.read(key);
    if (!job) throw unknownJob(key);
    const { record } = job;
    const decided = decide(record);
    if (!decided) return record;
    let next: JobRecord = { ...record, ...decided };
    const moves = next.state !== record.state;
    if (moves) {
      const sequence = record.events + 1n;
      const { view, event } = changes[key.kind](record, { state: next.state });
      next = { ...next, view, events: sequence, lastEvent: event(sequence) };
    }
    try {
      await store.update(next, job.revision);
      // Where that fails, whoever takes the job up publishes it again, and watches tell an end from the record.
      if (moves) await events.publish(key, next.events, next.lastEvent).catch(() => {});
      return next;
    } catch (error) {
      if (!(error instanceof JobMoved)) throw error;
    }
  }
  throw new ZmeshError(
    'TRAINER_UNAVAILABLE',
    `lost ${ATTEMPTS_MAX} races for ${key.kind} ${key.id} in a row`,
    {
      limit: ATTEMPTS_MAX,
      retryAfterMs: 1000,
    },
  );
}

/**
 * The job that an id, or a unique beginning of at least 6 characters, names; from memory, so also while the store is away.
 * Throws MISSING_FIELD, INVALID_FIELD (too short, or several begin so), UNKNOWN_JOB, FORMAT_NEWER (a newer trainer wrote it), CORRUPT.
 */
export function findJob(view: JobView, kind: JobKind, id: string): JobRecord {
  if (id === '') throw new ZmeshError('MISSING_FIELD', 'id: is missing', { field: 'id' });
  const exact = view.get({ kind, id });
  if (exact) return exact.record;
  const fault = view.fault({ kind, id });
  if (fault) throw fault;
  const matches =
    id.length < ID_PREFIX_MIN ? [] : view.list(kind).filter((job) => job.record.id.startsWith(id));
  if (matches.length > 1) {
    const message = `id: ${matches.length} of the ${kind}s begin with "${id}"; give more digits`;
    throw new ZmeshError('INVALID_FIELD', message, { field: 'id', value: id });
  }
  if (id.length < ID_PREFIX_MIN) {
    const message = `id: "${id}" is the beginning of an id; at least ${ID_PREFIX_MIN} digits are needed`;
    throw new ZmeshError('INVALID_FIELD', message, { field: 'id', limit: ID_PREFIX_MIN, value: id });
  }
  if (!matches[0]) throw unknownJob({ kind, id });
  return matches[0].record;
}

function wrongState(record: JobRecord, what: string): ZmeshError {
  const state = stateText(record.state);
  return new ZmeshError('JOB_STATE', `${record.id} is ${state} and cannot be ${what}`, {
    names: { job: record.id, state },
  });
}
