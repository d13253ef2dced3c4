import type { GenerateRequest } from '#services/inference/engine.js';

/** Greedy decoding without an end. */
export const GREEDY: GenerateRequest['sampling'] = {
  temperature: 0,
  topK: 0,
  topP: 1,
  minP: 0,
  repetitionPenalty: 1,
  seed: 0n,
  logProbs: false,
  topLogProbs: 0,
};
