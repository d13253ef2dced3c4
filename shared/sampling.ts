import type { Sampling } from '#proto/zmesh/v1/common.js';
import { fault, inRange } from './field.js';

const STOPS_MAX = 16;
const STOP_BYTES_MAX = 256;
const TOP_LOG_PROBS_MAX = 20;

/** What a model allows of sampling settings. */
export interface SamplingModel {
  readonly vocabularySize: number;
  readonly contextLength: number;
  readonly hasTokenizer: boolean;
}

/**
 * Checks every sampling setting that can be judged without the prompt's length, so that a request is refused before anything
 * is computed for it. Ranges as in the proto. Throws INVALID_FIELD with range and value, NO_TOKENIZER for stop strings
 * without one.
 */
export function checkSamplingRanges(given: Sampling, model: SamplingModel): void {
  const { vocabularySize } = model;
  const check = (name: string, value: number | undefined, range: Parameters<typeof inRange>[2]): void => {
    if (value !== undefined) inRange(`sampling.${name}`, value, range);
  };
  check('top_log_probs', given.topLogProbs, { min: 0, max: Math.min(TOP_LOG_PROBS_MAX, vocabularySize) });
  check('temperature', given.temperature, { min: 0, max: 100 });
  check('top_k', given.topK, { min: 0, max: vocabularySize });
  check('top_p', given.topP, { min: 0, max: 1, open: true });
  check('min_p', given.minP, { min: 0, max: 1 });
  check('repetition_penalty', given.repetitionPenalty, { min: 0, max: 10, open: true });
  check('max_tokens', given.maxTokens, { min: 1, max: model.contextLength });
  checkStops(given.stop, model.hasTokenizer);
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
