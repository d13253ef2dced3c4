import { DOUBLING_SECONDS_BUCKETS } from '#shared/telemetry/buckets.js';
import { counter, histogram } from '#shared/telemetry/instruments.js';
import { GEN_AI, SPAN, ZMESH } from '#shared/telemetry/semconv.js';
import { recordSpan } from '#shared/telemetry/spans.js';
import type { GradientAnswer } from './engine.js';

const tokens = counter({
  name: 'zmesh.gradient.tokens',
  unit: '{token}',
  description: 'Tokens that gradients were computed over, common prompts once',
});
const parts = counter({
  name: 'zmesh.gradient.parts',
  unit: '{part}',
  description: 'Parts that gradients were computed in',
});
const duration = histogram({
  name: 'zmesh.gradient.duration',
  unit: 's',
  description: 'Computing one gradient, all of its parts',
  buckets: DOUBLING_SECONDS_BUCKETS,
});

/** Records a gradient that was computed: its phases as spans of the active trace, its size and duration as metrics. */
export function recordGradient(model: string, { times, plan }: GradientAnswer): void {
  const of = { [GEN_AI.REQUEST_MODEL]: model };
  const kind = { [ZMESH.ENGINE_REQUEST]: 'gradient' };
  recordSpan(SPAN.ENGINE_QUEUE, { startMs: times.arrivedMs, endMs: times.startedMs, attributes: kind });
  recordSpan(SPAN.ENGINE_GRADIENT, {
    startMs: times.startedMs,
    endMs: times.endedMs,
    attributes: {
      ...kind,
      [ZMESH.ENGINE_STEPS]: plan.parts,
      [GEN_AI.USAGE_INPUT_TOKENS]: plan.computedTokens,
    },
  });
  tokens.add(plan.computedTokens, of);
  parts.add(plan.parts, of);
  duration.record((times.endedMs - times.startedMs) / 1000, of);
}
