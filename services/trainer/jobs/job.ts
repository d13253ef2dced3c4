import { JobState } from '#proto/zmesh/v1/adaptation.js';
import type { JobRecord } from '#proto/zmesh/v1/jobs.js';
import { ZmeshError } from '#shared/errors.js';

/** What a job is: a training run or a search for an adaptation. */
export type JobKind = 'run' | 'adaptation';

/** Every kind. */
export const JOB_KINDS: readonly JobKind[] = ['run', 'adaptation'];

/** Which job. */
export interface JobKey {
  readonly kind: JobKind;
  readonly id: string;
}

/** A job's record and the revision it has in the store. */
export interface StoredJob {
  readonly record: JobRecord;
  readonly revision: number;
}

/** A job in a new state, as callers see it, and the event that tells it; `error` where that is why. */
export type StateChange = (
  record: JobRecord,
  change: { readonly state: JobState; readonly error?: ZmeshError },
) => {
  readonly view: NonNullable<JobRecord['view']>;
  readonly event: (sequence: bigint) => Uint8Array;
};

/** Format of the records and checkpoints that are written and understood. */
export const JOB_FORMAT = 1;

/** Checks the format of `what` (the record of run.123). Throws FORMAT_NEWER for what a newer trainer wrote, CORRUPT for what nobody did. */
export function checkFormat(what: string, format: number): void {
  if (format === JOB_FORMAT) return;
  const message = `${what} has format ${format}, this trainer knows ${JOB_FORMAT}`;
  const details = { names: { job: what }, limit: JOB_FORMAT, value: format };
  if (format < JOB_FORMAT) throw new ZmeshError('CORRUPT', message, details);
  throw new ZmeshError('FORMAT_NEWER', `${message}; ask a newer one, or upgrade this one`, {
    ...details,
    retryAfterMs: 1000,
  });
}

/** A job's key. */
export function keyOfRecord({ id, view }: JobRecord): JobKey {
  return { kind: view?.$case === 'adaptation' ? 'adaptation' : 'run', id };
}

/** Key of a job as a token path: `run.<id>`. */
export function keyText({ kind, id }: JobKey): string {
  return `${kind}.${id}`;
}

/** The job that a token path names; undefined if it is none. */
export function parseKey(text: string): JobKey | undefined {
  const [kind, id, ...rest] = text.split('.');
  if (rest.length > 0 || !id || !JOB_KINDS.includes(kind as JobKind)) return undefined;
  return { kind: kind as JobKind, id };
}

/** True for a job that nobody works on any more. */
export function isOver(state: JobState): boolean {
  return state === JobState.SUCCEEDED || state === JobState.FAILED || state === JobState.CANCELLED;
}

const STATE_NAMES = new Map<number, string>(Object.entries(JobState).map(([name, value]) => [value, name]));

/** A state as people read it. */
export function stateText(state: JobState): string {
  return (STATE_NAMES.get(state) ?? String(state)).toLowerCase();
}

/** The error for a job that is not known. */
export function unknownJob({ kind, id }: JobKey): ZmeshError {
  return new ZmeshError('UNKNOWN_JOB', `there is no ${kind} ${id}`, { field: 'id', value: id });
}
