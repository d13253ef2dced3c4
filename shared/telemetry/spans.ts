import {
  type Attributes,
  type Context,
  context,
  type Span,
  SpanKind,
  SpanStatusCode,
  trace,
} from '@opentelemetry/api';
import { ZmeshError } from '#shared/errors.js';
import { epochOf } from './clock.js';
import { ERROR_TYPE } from './semconv.js';

/** What `withSpan` hands to its function: attributes and events go there. */
export type { Span } from '@opentelemetry/api';

const tracer = trace.getTracer('zmesh');

/** How a span begins. */
export interface SpanOptions {
  /** Attributes known at the start. Default none. */
  readonly attributes?: Attributes;
  /** Default INTERNAL. */
  readonly kind?: SpanKind;
  /** The parent's context. Default: the active one. */
  readonly parent?: Context;
}

/** A phase that was measured elsewhere. Times are `monotonicMs()`. */
export interface MeasuredPhase extends SpanOptions {
  readonly startMs: number;
  /** Not before `startMs`; an earlier one counts as equal to it. */
  readonly endMs: number;
  /** What ended it, if it failed. */
  readonly error?: unknown;
}

/** The active context, for spans recorded later or elsewhere (`parent`). */
export function activeContext(): Context {
  return context.active();
}

/** The active trace's id, 32 hex digits; all zeros where nothing is traced. */
export function activeTraceId(): string {
  return trace.getActiveSpan()?.spanContext().traceId ?? '0'.repeat(32);
}

/**
 * Runs `fn` inside a span and ends the span when its promise settles. Whatever is thrown marks the span as failed
 * (`error.type` = the ZmeshError's reason) and is thrown on.
 */
export async function withSpan<T>(
  name: string,
  options: SpanOptions,
  fn: (span: Span) => T | Promise<T>,
): Promise<T> {
  const { span, inside } = open(name, options);
  try {
    return await context.with(inside, fn, undefined, span);
  } catch (error) {
    markFailed(span, error);
    throw error;
  } finally {
    span.end();
  }
}

/**
 * As `withSpan` for a stream: every step of the generator runs inside the span, which ends with the stream, with its
 * failure, or when the reader leaves early.
 */
export async function* streamWithSpan<T>(
  name: string,
  options: SpanOptions,
  fn: (span: Span) => AsyncIterable<T>,
): AsyncGenerator<T, void, undefined> {
  const { span, inside } = open(name, options);
  const iterator = context.with(inside, () => fn(span)[Symbol.asyncIterator]());
  let finished = false;
  try {
    for (;;) {
      const step = await context.with(inside, () => iterator.next());
      if (step.done) {
        finished = true;
        return;
      }
      yield step.value;
    }
  } catch (error) {
    finished = true;
    markFailed(span, error);
    throw error;
  } finally {
    try {
      if (!finished) await context.with(inside, () => iterator.return?.());
    } finally {
      span.end();
    }
  }
}

/** Records a phase that was measured elsewhere (in the engine's worker) as a finished span. */
export function recordSpan(name: string, phase: MeasuredPhase): void {
  const startMs = epochOf(phase.startMs);
  const span = tracer.startSpan(
    name,
    {
      kind: phase.kind ?? SpanKind.INTERNAL,
      attributes: phase.attributes ?? {},
      startTime: hrTime(startMs),
    },
    phase.parent ?? context.active(),
  );
  if (phase.error !== undefined) markFailed(span, phase.error);
  span.end(hrTime(startMs + Math.max(0, phase.endMs - phase.startMs)));
}

/** Marks a span as failed: `error.type` is the reason, the status message is the error's. */
export function markFailed(span: Span, thrown: unknown): void {
  const error = ZmeshError.from(thrown);
  span.setAttribute(ERROR_TYPE, error.reason);
  span.setStatus({ code: SpanStatusCode.ERROR, message: error.message });
}

function open(name: string, options: SpanOptions): { span: Span; inside: Context } {
  const parent = options.parent ?? context.active();
  const span = tracer.startSpan(
    name,
    { kind: options.kind ?? SpanKind.INTERNAL, attributes: options.attributes ?? {} },
    parent,
  );
  return { span, inside: trace.setSpan(parent, span) };
}

// Seconds and nanoseconds: the SDK takes a small plain number for a time since the process began.
function hrTime(ms: number): [number, number] {
  const seconds = Math.floor(ms / 1000);
  return [seconds, Math.round((ms - seconds * 1000) * 1e6)];
}
