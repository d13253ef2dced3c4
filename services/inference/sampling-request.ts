import { randomBytes } from 'node:crypto';
import { Sampling } from '#proto/zmesh/v1/common.js';
import { checkContext } from '#shared/field.js';
import { checkSamplingRanges, type SamplingModel } from '#shared/sampling.js';
import type { SamplingPlan } from './engine/sampling.js';

/** New tokens of a request that does not say how many. */
const MAX_TOKENS_DEFAULT = 256;

/** A request's sampling settings, checked and complete. */
export interface CheckedSampling {
  readonly plan: SamplingPlan;
  readonly stops: readonly string[];
  readonly maxTokens: number;
  /** True if reaching maxTokens means that the context is full. */
  readonly contextBound: boolean;
  readonly ignoreEos: boolean;
}

/** What the settings are checked against. */
export interface SamplingBounds extends SamplingModel {
  readonly promptTokens: number;
}

/**
 * Checks sampling settings and fills in the defaults of the proto. Throws INVALID_FIELD with the range and the value,
 * NO_TOKENIZER for stop strings without one, CONTEXT_EXCEEDED where prompt and answer do not fit.
 */
export function checkSampling(given: Sampling = Sampling.create(), bounds: SamplingBounds): CheckedSampling {
  checkSamplingRanges(given, bounds);
  const plan: SamplingPlan = {
    temperature: given.temperature ?? 0,
    topK: given.topK ?? 0,
    topP: given.topP ?? 1,
    minP: given.minP ?? 0,
    repetitionPenalty: given.repetitionPenalty ?? 1,
    seed: given.seed ?? randomBytes(8).readBigUInt64LE(),
    logProbs: given.logProbs || given.topLogProbs > 0,
    topLogProbs: given.topLogProbs,
  };
  return { plan, stops: given.stop, ignoreEos: given.ignoreEos, ...maxTokens(given.maxTokens, bounds) };
}

function maxTokens(
  given: number | undefined,
  { contextLength, promptTokens }: SamplingBounds,
): Pick<CheckedSampling, 'maxTokens' | 'contextBound'> {
  // One new token needs a place of its own.
  checkContext('prompt', 'the prompt and one new token', promptTokens + 1, contextLength);
  const left = contextLength - promptTokens;
  if (given === undefined)
    return { maxTokens: Math.min(MAX_TOKENS_DEFAULT, left), contextBound: left < MAX_TOKENS_DEFAULT };
  checkContext(
    'sampling.max_tokens',
    `the prompt and max_tokens = ${given}`,
    promptTokens + given,
    contextLength,
  );
  return { maxTokens: given, contextBound: false };
}
