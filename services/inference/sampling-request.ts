import { randomBytes } from 'node:crypto';
import { Sampling } from '#proto/zmesh/v1/common.js';
import type { SamplingPlan } from './engine/sampling.js';
import { checkContext, fault, inRange } from './field.js';

/** New tokens of a request that does not say how many. */
const MAX_TOKENS_DEFAULT = 256;
const STOPS_MAX = 16;
const STOP_BYTES_MAX = 256;
const TOP_LOG_PROBS_MAX = 20;

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
export interface SamplingBounds {
  readonly vocabularySize: number;
  readonly contextLength: number;
  readonly promptTokens: number;
  readonly hasTokenizer: boolean;
}

/**
 * Checks sampling settings and fills in the defaults of the proto. Throws INVALID_FIELD with the range and the value,
 * NO_TOKENIZER for stop strings without one, CONTEXT_EXCEEDED where prompt and answer do not fit.
 */
export function checkSampling(given: Sampling = Sampling.create(), bounds: SamplingBounds): CheckedSampling {
  const { vocabularySize } = bounds;
  const field = (name: string): string => `sampling.${name}`;
  const topLogProbs = inRange(field('top_log_probs'), given.topLogProbs, {
    min: 0,
    max: Math.min(TOP_LOG_PROBS_MAX, vocabularySize),
  });
  const plan: SamplingPlan = {
    temperature: inRange(field('temperature'), given.temperature ?? 0, { min: 0, max: 100 }),
    topK: inRange(field('top_k'), given.topK ?? 0, { min: 0, max: vocabularySize }),
    topP: inRange(field('top_p'), given.topP ?? 1, { min: 0, max: 1, open: true }),
    minP: inRange(field('min_p'), given.minP ?? 0, { min: 0, max: 1 }),
    repetitionPenalty: inRange(field('repetition_penalty'), given.repetitionPenalty ?? 1, {
      min: 0,
      max: 10,
      open: true,
    }),
    seed: given.seed ?? randomBytes(8).readBigUInt64LE(),
    logProbs: given.logProbs || topLogProbs > 0,
    topLogProbs,
  };
  checkStops(given.stop, bounds.hasTokenizer);
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
  inRange('sampling.max_tokens', given, { min: 1, max: contextLength });
  checkContext(
    'sampling.max_tokens',
    `the prompt and max_tokens = ${given}`,
    promptTokens + given,
    contextLength,
  );
  return { maxTokens: given, contextBound: false };
}

function checkStops(stops: readonly string[], hasTokenizer: boolean): void {
  const name = 'sampling.stop';
  if (stops.length > STOPS_MAX) {
    const details = { limit: STOPS_MAX, value: stops.length };
    throw fault(name, `at most ${STOPS_MAX} stop strings, not ${stops.length}`, details);
  }
  stops.forEach((stop, i) => {
    const bytes = Buffer.byteLength(stop);
    if (bytes >= 1 && bytes <= STOP_BYTES_MAX) return;
    const limit = `[1, ${STOP_BYTES_MAX}]`;
    throw fault(`${name}[${i}]`, `must have ${limit} bytes, not ${bytes}`, { limit, value: bytes });
  });
  if (stops.length > 0 && !hasTokenizer)
    throw fault(name, 'the model has no tokenizer, so no text to look for them in', {}, 'NO_TOKENIZER');
}
