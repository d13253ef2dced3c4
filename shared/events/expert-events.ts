import { context, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api';
import { RegistryEvent } from '#proto/zmesh/v1/events.js';
import { MESSAGING } from '../telemetry/semconv.js';
import type { EventConnection } from './connection.js';
import { consume } from './consume.js';
import { EXPERT_STREAM } from './streams.js';
import { contextOf } from './trace-headers.js';

const tracer = trace.getTracer('zmesh-events');

/** How registry events are read. */
export interface ExpertEventsOptions {
  /** Events after this sequence of the stream (not the registry's revision); `new` = from now on. Default `new`. */
  readonly after?: number | 'new';
  /**
   * Called for one event after another inside a CONSUMER span that continues the publisher's trace. `sequence` is where to
   * go on from. What it throws ends the reading.
   */
  readonly onEvent: (event: RegistryEvent, sequence: number) => void | Promise<void>;
  /** Called when all events so far were seen: at the start and after each interruption. */
  readonly onCurrent?: () => void;
  readonly signal: AbortSignal;
}

/** Reads the expert registry's events in order, for ever, through lost connections. Resolves when `signal` aborts. */
export function consumeExpertEvents(
  connection: EventConnection,
  options: ExpertEventsOptions,
): Promise<void> {
  const { after = 'new', onEvent, onCurrent, signal } = options;
  return consume(connection, {
    stream: EXPERT_STREAM,
    after,
    signal,
    ...(onCurrent ? { onCurrent } : {}),
    async onMessage({ subject, data, headers, sequence }) {
      const parent = contextOf(headers);
      const attributes = {
        [MESSAGING.SYSTEM_NAME]: 'nats',
        [MESSAGING.OPERATION_TYPE]: 'process',
        [MESSAGING.OPERATION_NAME]: 'consume',
        [MESSAGING.DESTINATION_NAME]: subject,
        [MESSAGING.BODY_SIZE]: data.length,
      };
      const span = tracer.startSpan(`process ${subject}`, { kind: SpanKind.CONSUMER, attributes }, parent);
      try {
        await context.with(trace.setSpan(parent, span), () => onEvent(RegistryEvent.decode(data), sequence));
      } catch (error) {
        span.setStatus({
          code: SpanStatusCode.ERROR,
          message: error instanceof Error ? error.message : String(error),
        });
        throw error;
      } finally {
        span.end();
      }
    },
  });
}
