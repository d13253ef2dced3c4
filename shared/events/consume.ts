import {
  type ConsumerMessages,
  DeliverPolicy,
  type JsMsg,
  type OrderedConsumerOptions,
} from '@nats-io/jetstream';
import type { MsgHdrs } from '@nats-io/nats-core';
import { sleep } from '../deadline.js';
import type { EventConnection } from './connection.js';

/** One message of a stream. */
export interface StreamMessage {
  readonly subject: string;
  /** Its place in the stream, from 1, growing. */
  readonly sequence: number;
  readonly data: Uint8Array;
  readonly headers: MsgHdrs | undefined;
  /** When the stream took it. */
  readonly time: Date;
}

/** What to consume. */
export interface Consumption {
  readonly stream: string;
  /** Only subjects that match. Default all of the stream. */
  readonly subjects?: readonly string[];
  /** Messages after this sequence (0 = from the oldest kept), or `new`: those that come from now on. */
  readonly after: number | 'new';
  /** Called for one message after another; the next waits for its promise. What it throws ends the consumption. */
  readonly onMessage: (message: StreamMessage) => void | Promise<void>;
  /** Called whenever the reader has caught up with the stream: once when it begins, and after each interruption. */
  readonly onCurrent?: () => void;
  /** Called with what interrupted the reading; it is tried again after a moment. Default: nobody is told. */
  readonly onInterrupted?: (error: unknown) => void;
  /** Ends the consumption. */
  readonly signal: AbortSignal;
}

const RETRY_WAIT_MS = 250;
const IDLE_HEARTBEAT_MS = 2000;
const PULL_EXPIRES_MS = 30_000;

/**
 * Reads a stream in order and without gaps, for ever: after a lost connection or a server's restart it goes on behind the
 * last message. Leaves nothing on the server. Resolves when `signal` aborts.
 */
export async function consume(connection: EventConnection, consumption: Consumption): Promise<void> {
  const { signal } = consumption;
  const position = { after: consumption.after };
  while (!signal.aborted) {
    const round = new AbortController();
    const stop = (): void => round.abort();
    const offState = connection.onState(stop);
    signal.addEventListener('abort', stop, { once: true });
    try {
      if (connection.connected) await consumeOnce(connection, consumption, position, round.signal);
      else await sleep(RETRY_WAIT_MS, round.signal).catch(() => {});
    } catch (error) {
      if (error instanceof HandlerError) throw error.cause;
      if (!signal.aborted && connection.connected) consumption.onInterrupted?.(error);
      await sleep(RETRY_WAIT_MS, signal).catch(() => {});
    } finally {
      offState();
      signal.removeEventListener('abort', stop);
    }
  }
}

class HandlerError extends Error {}

async function consumeOnce(
  connection: EventConnection,
  consumption: Consumption,
  position: { after: number | 'new' },
  signal: AbortSignal,
): Promise<void> {
  const last = (await connection.jsm.streams.info(consumption.stream)).state.last_seq;
  // From `new` on the place is fixed now, so that nothing is missed while connecting again.
  if (position.after === 'new') position.after = last;
  const options: Partial<OrderedConsumerOptions> = {
    deliver_policy: DeliverPolicy.StartSequence,
    opt_start_seq: position.after + 1,
    ...(consumption.subjects ? { filter_subjects: [...consumption.subjects] } : {}),
  };
  const consumer = await connection.js.consumers.get(consumption.stream, options);
  const caughtUp = once(() => consumption.onCurrent?.());
  if (position.after >= last) caughtUp();
  const messages = await consumer.consume({ idle_heartbeat: IDLE_HEARTBEAT_MS, expires: PULL_EXPIRES_MS });
  const stop = (): void => void messages.close();
  signal.addEventListener('abort', stop, { once: true });
  try {
    if (signal.aborted) stop();
    const watched = watchReader(messages, caughtUp);
    for await (const message of messages) {
      await handle(consumption, message);
      position.after = message.seq;
      if (message.seq >= last) caughtUp();
      if (signal.aborted) break;
    }
    if (!signal.aborted && (await watched) === 'lost')
      throw new Error('the reader on the server is gone; a new one is made');
  } finally {
    signal.removeEventListener('abort', stop);
    await messages.close();
  }
}

/** Statuses that say that nothing more will come from this reader. */
const LOST: ReadonlySet<string> = new Set([
  'heartbeats_missed',
  'consumer_not_found',
  'consumer_deleted',
  'stream_not_found',
]);

/**
 * Watches a reader until it is closed. A server that is idle has given all it has: neither the last sequence nor the number
 * of pending messages can tell that where the last messages were removed, are other subjects', or are damaged on disk, since
 * those are skipped without a word. A reader lives on one node of a cluster and dies with it while our connection to another
 * stands; the client would look again only after `expires`, so it is closed here.
 */
async function watchReader(messages: ConsumerMessages, idle: () => void): Promise<'lost' | 'closed'> {
  for await (const { type } of messages.status()) {
    if (type === 'heartbeat') idle();
    if (!LOST.has(type)) continue;
    void messages.close();
    return 'lost';
  }
  return 'closed';
}

function once(fn: () => void): () => void {
  let done = false;
  return () => {
    if (!done) fn();
    done = true;
  };
}

async function handle(consumption: Consumption, message: JsMsg): Promise<void> {
  try {
    await consumption.onMessage({
      subject: message.subject,
      sequence: message.seq,
      data: message.data,
      headers: message.headers,
      time: message.time,
    });
  } catch (cause) {
    throw new HandlerError('the handler of a message failed', { cause });
  }
}
