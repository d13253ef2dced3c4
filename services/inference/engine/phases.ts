import type { Attributes, Context } from '@opentelemetry/api';
import { GEN_AI, SPAN, ZMESH } from '#shared/telemetry/semconv.js';
import { recordSpan } from '#shared/telemetry/spans.js';
import type { RequestTimes } from './protocol.js';

/** Where a request spent its time. Milliseconds. */
export interface PhaseDurations {
  readonly queueMs: number;
  readonly prefillMs: number;
  readonly decodeMs: number;
  readonly steps: number;
}

/** Durations of a request's phases; a phase that was not reached took 0. */
export function phaseDurations(times: RequestTimes): PhaseDurations {
  const startedMs = times.startedMs ?? times.endedMs;
  const prefilledMs = times.prefilledMs ?? times.endedMs;
  const decoded = times.decodeSteps > 0;
  return {
    queueMs: startedMs - times.arrivedMs,
    prefillMs: times.startedMs === null ? 0 : prefilledMs - startedMs,
    decodeMs: decoded ? times.endedMs - prefilledMs : 0,
    steps: times.promptSteps + times.decodeSteps,
  };
}

/** What the engine's spans say. */
export interface PhaseFacts {
  readonly kind: 'generate' | 'score';
  readonly parent: Context;
  readonly promptTokens: number;
  readonly outputTokens: number;
  /** What ended the request, if it failed. */
  readonly error?: unknown;
}

/** Records the phases as spans; the last one that was reached carries the failure. */
export function recordPhases(times: RequestTimes, facts: PhaseFacts): void {
  const { startedMs, prefilledMs, endedMs } = times;
  const phases: { name: string; startMs: number; endMs: number; attributes: Attributes }[] = [
    { name: SPAN.ENGINE_QUEUE, startMs: times.arrivedMs, endMs: startedMs ?? endedMs, attributes: {} },
  ];
  if (startedMs !== null) {
    const attributes = {
      [ZMESH.ENGINE_STEPS]: times.promptSteps,
      [GEN_AI.USAGE_INPUT_TOKENS]: facts.promptTokens,
    };
    phases.push({ name: SPAN.ENGINE_PREFILL, startMs: startedMs, endMs: prefilledMs ?? endedMs, attributes });
  }
  if (prefilledMs !== null && times.decodeSteps > 0) {
    const attributes = {
      [ZMESH.ENGINE_STEPS]: times.decodeSteps,
      [GEN_AI.USAGE_OUTPUT_TOKENS]: facts.outputTokens,
    };
    phases.push({ name: SPAN.ENGINE_DECODE, startMs: prefilledMs, endMs: endedMs, attributes });
  }
  phases.forEach(({ name, attributes, ...span }, index) => {
    const failed = facts.error !== undefined && index === phases.length - 1;
    recordSpan(name, {
      ...span,
      attributes: { [ZMESH.ENGINE_REQUEST]: facts.kind, ...attributes },
      parent: facts.parent,
      ...(failed ? { error: facts.error } : {}),
    });
  });
}
