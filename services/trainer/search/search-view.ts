import {
  type Adaptation,
  AdaptationEvent,
  type AdaptationProgress,
  type JobFailure,
  type JobState,
} from '#proto/zmesh/v1/adaptation.js';
import type { JobRecord } from '#proto/zmesh/v1/jobs.js';
import type { ZmeshError } from '#shared/errors.js';
import { timestamp } from '#shared/timestamp.js';
import { isOver } from '../jobs/job.js';
import type { ReadEvent } from '../jobs/watch.js';

/** An adaptation as its record shows it: the state is the record's. */
export function shownAdaptation({ view, state }: JobRecord): Adaptation {
  if (view?.$case !== 'adaptation') throw new Error('the job is no adaptation');
  return { ...view.value, state };
}

/** A view of an adaptation in a new state, and its event. */
export function searchChange(
  adaptation: Adaptation,
  progress?: AdaptationProgress,
): {
  readonly view: NonNullable<JobRecord['view']>;
  readonly event: (sequence: bigint) => Uint8Array;
} {
  const time = timestamp(new Date());
  const value = progress ? { ...adaptation, progress } : adaptation;
  return {
    view: { $case: 'adaptation', value },
    event: (sequence) =>
      AdaptationEvent.encode({
        sequence,
        time,
        adaptation: { ...adaptation, progress: undefined },
        progress,
      }).finish(),
  };
}

/** What is saved of a search that ended without saving its end. */
export function searchEnd(
  record: JobRecord,
  { state, error }: { readonly state: JobState; readonly error?: ZmeshError },
) {
  const failure: JobFailure | undefined = error && { reason: error.reason, message: error.message };
  const finishedAt = isOver(state) ? timestamp(new Date()) : undefined;
  return searchChange({ ...shownAdaptation(record), state, failure, finishedAt });
}

/** A published event. */
export function readSearchEvent(bytes: Uint8Array): ReadEvent<AdaptationEvent> {
  const event = AdaptationEvent.decode(bytes);
  const last = event.adaptation !== undefined && isOver(event.adaptation.state);
  return { event, sequence: event.sequence, last };
}

/** The last event of an adaptation, as its record tells it. */
export function searchEventOf(record: JobRecord): ReadEvent<AdaptationEvent> {
  const adaptation = shownAdaptation(record);
  const event = { sequence: record.events, time: adaptation.finishedAt, adaptation, progress: undefined };
  return { event, sequence: record.events, last: true };
}
