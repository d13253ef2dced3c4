import type { ModelConfig } from '#services/inference/model/prepared.js';

/** A small llama's config with some fields changed. */
export function modelConfig(changes: Partial<ModelConfig> = {}): ModelConfig {
  return {
    architecture: 'llama',
    vocabularySize: 50,
    hiddenSize: 24,
    feedForwardSize: 40,
    layers: 2,
    heads: 6,
    keyValueHeads: 3,
    headSize: 4,
    contextLength: 64,
    normEpsilon: 1e-5,
    ropeTheta: 10_000,
    ropeScaling: null,
    slidingWindow: null,
    tiedEmbeddings: false,
    attentionBias: false,
    outputBias: false,
    feedForwardBias: false,
    queryKeyNorm: false,
    ...changes,
  };
}
