import { DiscardPolicy, JetStreamApiError, RetentionPolicy, StorageType } from '@nats-io/jetstream';
import { sleep } from '#shared/deadline.js';
import type { EventConnection } from '#shared/events/connection.js';
import { consume } from '#shared/events/consume.js';
import { publish } from '#shared/events/publish.js';
import type { JobKey, JobKind } from './job.js';

/** Stream of the jobs' events. */
export const JOB_EVENTS_STREAM = 'ZMESH_JOB_EVENTS';

const SUBJECT_OF: Readonly<Record<JobKind, string>> = {
  run: 'zmesh.training',
  adaptation: 'zmesh.adaptations',
};
const NAME_IN_USE = 10058;
const MAX_BYTES = 512 * 1024 * 1024;
const NS_PER_MS = 1e6;
const HOUR_MS = 3_600_000;
const RETRIES = 3;
const RETRY_MS = 300;

/** The events of jobs. */
export interface JobEvents {
  /** Publishes a job's event under its place; twice is once for whoever reads by places. Throws what the NATS client throws. */
  publish(key: JobKey, sequence: bigint, event: Uint8Array): Promise<void>;
  /** Calls `onEvent` for the events of a job that are kept, and those that come; ends when `signal` aborts. */
  follow(
    key: JobKey,
    options: {
      readonly onEvent: (event: Uint8Array) => void;
      readonly onCurrent: () => void;
      readonly signal: AbortSignal;
    },
  ): Promise<void>;
  /** Publishes advice about a model. `revision` makes it one message of several trainers. */
  advise(
    kind: JobKind,
    advice: { readonly model: string; readonly id: string },
    data: Uint8Array,
  ): Promise<void>;
}

/** Opens the stream of events, makes it where it is missing. */
export async function openJobEvents(
  connection: EventConnection,
  options: { readonly replicas: number; readonly keepHours: number },
): Promise<JobEvents> {
  const config = {
    name: JOB_EVENTS_STREAM,
    description: 'Progress of zmesh training runs and adaptations',
    subjects: Object.values(SUBJECT_OF).map((subject) => `${subject}.>`),
    retention: RetentionPolicy.Limits,
    storage: StorageType.File,
    discard: DiscardPolicy.Old,
    max_bytes: MAX_BYTES,
    max_age: options.keepHours * HOUR_MS * NS_PER_MS,
    num_replicas: options.replicas,
    allow_direct: true,
  };
  await connection.jsm.streams.add(config).catch((error: unknown) => {
    // An operator may have changed it: what is there stays.
    if (!(error instanceof JetStreamApiError && error.code === NAME_IN_USE)) throw error;
  });
  return {
    publish: ({ kind, id }, sequence, data) =>
      again(async () => {
        const subject = `${SUBJECT_OF[kind]}.${id}`;
        await publish(connection, { subject, data, messageId: `${kind}-${id}-${sequence}` });
      }),
    follow: ({ kind, id }, { onEvent, onCurrent, signal }) =>
      consume(connection, {
        stream: JOB_EVENTS_STREAM,
        subjects: [`${SUBJECT_OF[kind]}.${id}`],
        after: 0,
        signal,
        onMessage: ({ data }) => onEvent(data),
        onCurrent,
      }),
    advise: async (kind, { model, id }, data) => {
      const subject = `${SUBJECT_OF[kind]}.advice.${model.replaceAll('.', '=')}`;
      await publish(connection, { subject, data, messageId: `advice-${id}` });
    },
  };
}

async function again(work: () => Promise<void>): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      await work();
      return;
    } catch (error) {
      if (attempt === RETRIES) throw error;
      await sleep(RETRY_MS * attempt);
    }
  }
}
