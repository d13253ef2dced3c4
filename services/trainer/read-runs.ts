import { type JobRecord, RunCheckpoint, RunRollouts } from '#proto/zmesh/v1/jobs.js';
import type {
  ListRolloutsRequest,
  ListRolloutsResponse,
  ListRunsRequest,
  ListRunsResponse,
  Run,
  RunStep,
} from '#proto/zmesh/v1/trainer.js';
import { ZmeshError } from '#shared/errors.js';
import { keyOfRecord, unknownJob } from './jobs/job.js';
import { findJob, type JobDesk } from './jobs/requests.js';
import { shownRun } from './run-view.js';

const PAGE_DEFAULT = 100;
const PAGE_MAX = 1000;

/** A run with its curve. Throws UNKNOWN_JOB, TRAINER_UNAVAILABLE, CORRUPT. */
export async function getRun(desk: JobDesk, id: string): Promise<Run> {
  const { record, curve } = await withCurve(desk, id);
  return { ...shownRun(record), curve };
}

/** Runs, the newest first. Throws INVALID_FIELD, BAD_PAGE_TOKEN. */
export function listRuns({ view }: JobDesk, request: ListRunsRequest): ListRunsResponse {
  const { model, expert, pageSize, pageToken } = request;
  const all = view
    .list('run')
    .map(({ record }) => shownRun(record))
    .filter(
      (run) => (model === '' || run.spec?.model === model) && (expert === '' || run.spec?.expert === expert),
    );
  const { page, nextPageToken } = pageOf(all, { pageSize, pageToken });
  return { runs: page, nextPageToken };
}

/** One page of jobs; a token is the id that the page before ended with. */
export function pageOf<T extends { readonly id: string }>(
  all: readonly T[],
  { pageSize, pageToken }: { readonly pageSize: number; readonly pageToken: string },
): { page: T[]; nextPageToken: string } {
  if (pageSize > PAGE_MAX) {
    const message = `page_size: at most ${PAGE_MAX}, not ${pageSize}`;
    throw new ZmeshError('INVALID_FIELD', message, { field: 'page_size', limit: PAGE_MAX, value: pageSize });
  }
  const after = pageToken === '' ? -1 : all.findIndex(({ id }) => id === pageToken);
  if (pageToken !== '' && after < 0)
    throw new ZmeshError('BAD_PAGE_TOKEN', 'page_token: this service did not give it', {
      field: 'page_token',
    });
  const page = all.slice(after + 1, after + 1 + (pageSize || PAGE_DEFAULT));
  const last = page.at(-1);
  return { page, nextPageToken: last && last !== all.at(-1) ? last.id : '' };
}

/** The answers of a step. Throws UNKNOWN_JOB, INVALID_FIELD (no such step), CORRUPT. */
export async function readRollouts(
  desk: JobDesk,
  { id, step }: ListRolloutsRequest,
): Promise<ListRolloutsResponse[]> {
  const { curve } = await withCurve(desk, id);
  const steps = curve.filter(({ rollouts }) => rollouts !== '');
  const found = step === 0 ? steps.at(-1) : steps.find((one) => one.step === step);
  if (!found) {
    const last = steps.at(-1)?.step;
    const none = 'step: no step of the run has answers: none is done, or its algorithm samples none';
    const message =
      last === undefined ? none : `step: step ${step} has no answers; the last that has is ${last}`;
    throw new ZmeshError('INVALID_FIELD', message, { field: 'step', value: step });
  }
  const bytes = await desk.store.getObject({ name: found.rollouts, sha256: found.rolloutsSha256 });
  return RunRollouts.decode(bytes).answers;
}

/** A run's record and the curve in its checkpoint. */
async function withCurve(
  { view, store }: JobDesk,
  id: string,
): Promise<{ readonly record: JobRecord; readonly curve: RunStep[] }> {
  let record = findJob(view, 'run', id);
  for (;;) {
    const { checkpoint: name, checkpointSha256: sha256 } = record;
    if (name === '') return { record, curve: [] };
    try {
      return { record, curve: RunCheckpoint.decode(await store.getObject({ name, sha256 })).curve };
    } catch (error) {
      // A trainer replaces the checkpoint at every step, and the view is a little behind.
      const now = await store.read(keyOfRecord(record));
      if (now === undefined) throw unknownJob(keyOfRecord(record));
      if (now.record.checkpoint === name) throw error;
      record = now.record;
    }
  }
}
