import { context, createTraceState, TraceFlags, trace } from '@opentelemetry/api';
import { type Sampler, SamplingDecision } from '@opentelemetry/sdk-trace-node';

/** Entry of `tracestate` that says: no spans below this one. */
const KEY = 'zmesh';
const QUIET = 'quiet';

/**
 * Runs `fn` so that nothing in it makes spans, in any process that it calls: for thousands of equal calls that one span with
 * counts tells better. The trace's id stays, for logs. Outside of a trace it only runs `fn`.
 */
export function withoutSpans<T>(fn: () => T): T {
  const parent = trace.getActiveSpan()?.spanContext();
  if (!parent) return fn();
  const traceState = (parent.traceState ?? createTraceState()).set(KEY, QUIET);
  const quiet = { ...parent, traceFlags: TraceFlags.NONE, traceState };
  return context.with(trace.setSpanContext(context.active(), quiet), fn);
}

/** A sampler that records nothing under `withoutSpans`, and elsewhere does what `inner` does. */
export function respectQuiet(inner: Sampler): Sampler {
  return {
    shouldSample(parent, ...rest) {
      const above = trace.getSpanContext(parent);
      return above?.traceState?.get(KEY) === QUIET
        ? { decision: SamplingDecision.NOT_RECORD }
        : inner.shouldSample(parent, ...rest);
    },
    toString: () => `RespectQuiet{${inner.toString()}}`,
  };
}
