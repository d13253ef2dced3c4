import {
  AckPolicy,
  DiscardPolicy,
  JetStreamApiError,
  type JsMsg,
  RetentionPolicy,
  StorageType,
} from '@nats-io/jetstream';
import { sleep } from '#shared/deadline.js';
import type { EventConnection } from '#shared/events/connection.js';
import { traceHeaders } from '#shared/events/trace-headers.js';
import { whileConnected } from '#shared/events/while-connected.js';
import { type JobKey, keyText, parseKey } from './job.js';

/** Work queue of the jobs: one message for each that waits or is being worked on. */
export const QUEUE_STREAM = 'ZMESH_QUEUE';
const SUBJECT = 'zmesh.queue.';
const CONSUMER = 'trainers';

const NAME_IN_USE = 10058;
/** The message of a trainer that died comes back after so long. */
const ACK_WAIT_MS = 10_000;
const PULL_MS = 5000;
const RETRY_MS = 500;
const NS_PER_MS = 1e6;

/** A job that this trainer may work on. */
export interface QueuedJob {
  readonly key: JobKey;
  /** Keeps it from being given to another trainer, for ACK_WAIT_MS. */
  working(): void;
  /** Takes it out of the queue. */
  done(): void;
  /** Puts it back for `delayMs`. */
  later(delayMs: number): void;
}

/** The queue. */
export interface JobQueue {
  /** Puts a job there; one that is there already stays as it is. Throws ConnectionLost or what the NATS client throws. */
  put(key: JobKey): Promise<void>;
  /** The next job, in the order they came; undefined if none came for a while. Never throws: what interrupts it is waited for. */
  next(signal: AbortSignal): Promise<QueuedJob | undefined>;
}

/** Opens the queue, makes it where it is missing. `replicas` copies in a cluster. */
export async function openJobQueue(connection: EventConnection, replicas: number): Promise<JobQueue> {
  await ensureQueue(connection, replicas);
  return {
    put: (key) => put(connection, key),
    next: (signal) => next(connection, signal),
  };
}

async function ensureQueue({ jsm }: EventConnection, replicas: number): Promise<void> {
  const config = {
    name: QUEUE_STREAM,
    description: 'Jobs of the zmesh trainers',
    subjects: [`${SUBJECT}>`],
    retention: RetentionPolicy.Workqueue,
    storage: StorageType.File,
    num_replicas: replicas,
    // A job stands in the queue once: putting it there again is refused, and harmless.
    max_msgs_per_subject: 1,
    discard: DiscardPolicy.New,
    discard_new_per_subject: true,
  };
  await jsm.streams.add(config).catch(unlessThere);
  const consumer = {
    durable_name: CONSUMER,
    ack_policy: AckPolicy.Explicit,
    ack_wait: ACK_WAIT_MS * NS_PER_MS,
  };
  await jsm.consumers.add(QUEUE_STREAM, consumer).catch(unlessThere);
}

/** An operator may have changed it: what is there stays. */
function unlessThere(error: unknown): void {
  if (error instanceof JetStreamApiError && error.code === NAME_IN_USE) return;
  throw error;
}

async function put(connection: EventConnection, key: JobKey): Promise<void> {
  try {
    const options = { headers: traceHeaders() };
    await whileConnected(connection, () =>
      connection.js.publish(SUBJECT + keyText(key), new Uint8Array(), options),
    );
  } catch (error) {
    if (error instanceof JetStreamApiError && /maximum messages per subject/.test(error.message)) return;
    throw error;
  }
}

async function next(connection: EventConnection, signal: AbortSignal): Promise<QueuedJob | undefined> {
  try {
    const message = await whileConnected(connection, async () => {
      const consumer = await connection.js.consumers.get(QUEUE_STREAM, CONSUMER);
      return consumer.next({ expires: PULL_MS });
    });
    const key = message && parseKey(message.subject.slice(SUBJECT.length));
    if (!message) return undefined;
    if (!key) {
      message.ack();
      return undefined;
    }
    const job = queued(message, key);
    // The pull may have been answered just when the trainer was told to stop.
    if (!signal.aborted) return job;
    job.later(0);
  } catch {
    await sleep(RETRY_MS, signal).catch(() => {});
  }
  return undefined;
}

function queued(message: JsMsg, key: JobKey): QueuedJob {
  return {
    key,
    working: () => message.working(),
    done: () => message.ack(),
    later: (delayMs) => message.nak(delayMs),
  };
}
