import { RPC } from '#shared/telemetry/semconv.js';
import type { Keep, StoredSpan, TraceSummary } from '#shared/telemetry/stored-trace.js';

const QUESTIONS: ReadonlySet<string> = new Set(
  ['Generate', 'Complete', 'Classify'].map((method) => `zmesh.v1.DispatcherService/${method}`),
);

const ADAPT = 'zmesh.v1.DispatcherService/Adapt';

/** The spans whose parent did not arrive: roots, spans called from outside the mesh, and orphans. */
export function topSpans(spans: readonly StoredSpan[]): StoredSpan[] {
  const ids = new Set(spans.map((span) => span.spanId));
  return spans.filter((span) => span.parentSpanId === undefined || !ids.has(span.parentSpanId));
}

/** True unless a span's parent in its own process is missing, which comes when that parent ends. */
export function isComplete(spans: readonly StoredSpan[]): boolean {
  return topSpans(spans).every((span) => span.parentSpanId === undefined || span.remoteParent);
}

/** True if a span failed, or a call in it was answered with anything but OK. */
export function isFailed(spans: readonly StoredSpan[]): boolean {
  return spans.some((span) => {
    const code = span.attributes[RPC.STATUS_CODE];
    return span.failed || (code !== undefined && code !== 'OK');
  });
}

/** Why a trace is worth keeping; undefined = it is not. */
export function reasonToKeep(
  spans: readonly StoredSpan[],
  slowMs: number,
): Exclude<Keep, 'pending'> | undefined {
  if (isFailed(spans)) return 'failed';
  if (topSpans(spans).some((span) => span.durationMs > slowMs)) return 'slow';
  return spans.some((span) => span.sampled) ? 'sampled' : undefined;
}

/** A trace in one line. `spans` holds at least one. */
export function summarise(spans: readonly StoredSpan[], keep: Keep): TraceSummary {
  const startMs = Math.min(...spans.map((span) => span.startMs));
  const endMs = Math.max(...spans.map((span) => span.startMs + span.durationMs));
  const top = topSpans(spans).reduce((first, span) => (span.startMs < first.startMs ? span : first));
  return {
    traceId: top.traceId,
    name: top.name,
    service: top.service,
    startMs,
    durationMs: endMs - startMs,
    spans: spans.length,
    services: new Set(spans.map((span) => span.service)).size,
    failed: isFailed(spans),
    question: spans.some((span) => QUESTIONS.has(span.name)),
    adaptation: spans.some((span) => span.name === ADAPT),
    complete: isComplete(spans),
    keep,
  };
}
