import { JetStreamApiError } from '@nats-io/jetstream';
import { type Context, context, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api';
import { MESSAGING } from '../telemetry/semconv.js';
import type { EventConnection } from './connection.js';
import { traceHeaders } from './trace-headers.js';
import { whileConnected } from './while-connected.js';

const tracer = trace.getTracer('zmesh-events');

/** The stream's last sequence is not the expected one: someone else published meanwhile. */
export class StreamMoved extends Error {}

/** WRONG_LAST_SEQUENCE, and in a cluster DUPLICATE_IN_PROCESS: another publisher's same message is not settled yet. */
const OVERTAKEN: ReadonlySet<number> = new Set([10071, 10158]);

/** One message for a stream. */
export interface Publication {
  readonly subject: string;
  /** An encoded protobuf message. */
  readonly data: Uint8Array;
  /** Within two minutes a stream takes a message with the same id once. */
  readonly messageId: string;
  /** The stream takes the message only if this is its last sequence. Default: whatever it is. */
  readonly expectedLastSequence?: number;
  /** Context that the message continues. Default: the active one. */
  readonly parent?: Context;
}

/**
 * Publishes a message and waits until the stream has it on disk; a PRODUCER span around it travels in the W3C headers.
 * @returns the message's sequence in the stream.
 * Rejects with StreamMoved, ConnectionLost or what the NATS client throws.
 */
export async function publish(connection: EventConnection, publication: Publication): Promise<number> {
  const { subject, data, messageId, expectedLastSequence, parent = context.active() } = publication;
  const attributes = {
    [MESSAGING.SYSTEM_NAME]: 'nats',
    [MESSAGING.OPERATION_TYPE]: 'send',
    [MESSAGING.OPERATION_NAME]: 'publish',
    [MESSAGING.DESTINATION_NAME]: subject,
    [MESSAGING.MESSAGE_ID]: messageId,
    [MESSAGING.BODY_SIZE]: data.length,
  };
  const span = tracer.startSpan(`send ${subject}`, { kind: SpanKind.PRODUCER, attributes }, parent);
  try {
    const options = {
      msgID: messageId,
      headers: traceHeaders(trace.setSpan(parent, span)),
      ...(expectedLastSequence === undefined ? {} : { expect: { lastSequence: expectedLastSequence } }),
    };
    const ack = await whileConnected(connection, () => connection.js.publish(subject, data, options));
    return ack.seq;
  } catch (error) {
    span.setStatus({
      code: SpanStatusCode.ERROR,
      message: error instanceof Error ? error.message : String(error),
    });
    if (error instanceof JetStreamApiError && OVERTAKEN.has(error.code)) throw new StreamMoved(error.message);
    throw error;
  } finally {
    span.end();
  }
}
