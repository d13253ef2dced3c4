import { type Sampler, SamplingDecision, type SamplingResult } from '@opentelemetry/sdk-trace-node';

/**
 * A sampler that records what `inner` would drop, without the sampled flag: the local sink sees every span and decides at
 * the trace's end, while OTLP export and the propagated `traceparent` follow `inner` alone.
 */
export function recordEverything(inner: Sampler): Sampler {
  return {
    shouldSample(...given): SamplingResult {
      const result = inner.shouldSample(...given);
      return result.decision === SamplingDecision.NOT_RECORD
        ? { ...result, decision: SamplingDecision.RECORD }
        : result;
    },
    toString: () => `RecordEverything{${inner.toString()}}`,
  };
}
