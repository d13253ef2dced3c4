import type { ModelConfig } from '../model/prepared.js';

/** Names of a linear layer's weight and bias in the checkpoint; a bias of null = there is none. */
export interface LinearNames {
  readonly weight: string;
  readonly bias: string | null;
}

/** Names of one layer's weights; `headNorm` of null = query and key heads are not normed. */
export interface LayerNames {
  readonly attentionNorm: string;
  readonly query: LinearNames;
  readonly key: LinearNames;
  readonly value: LinearNames;
  readonly output: LinearNames;
  readonly headNorm: { readonly query: string; readonly key: string } | null;
  readonly feedForwardNorm: string;
  readonly gate: LinearNames;
  readonly up: LinearNames;
  readonly down: LinearNames;
}

/** Names of the weights outside the layers. A model with tied embeddings has no head of its own. */
export const MODEL_NAMES = {
  embedding: 'model.embed_tokens.weight',
  finalNorm: 'model.norm.weight',
  head: 'lm_head.weight',
} as const;

/** Hugging Face's names, which all supported architectures share; the config says which of them a layer has. */
export function layerNames(config: ModelConfig, layer: number): LayerNames {
  const prefix = `model.layers.${layer}`;
  const linear = (path: string, bias: boolean): LinearNames => ({
    weight: `${prefix}.${path}.weight`,
    bias: bias ? `${prefix}.${path}.bias` : null,
  });
  return {
    attentionNorm: `${prefix}.input_layernorm.weight`,
    query: linear('self_attn.q_proj', config.attentionBias),
    key: linear('self_attn.k_proj', config.attentionBias),
    value: linear('self_attn.v_proj', config.attentionBias),
    output: linear('self_attn.o_proj', config.outputBias),
    headNorm: config.queryKeyNorm
      ? { query: `${prefix}.self_attn.q_norm.weight`, key: `${prefix}.self_attn.k_norm.weight` }
      : null,
    feedForwardNorm: `${prefix}.post_attention_layernorm.weight`,
    gate: linear('mlp.gate_proj', config.feedForwardBias),
    up: linear('mlp.up_proj', config.feedForwardBias),
    down: linear('mlp.down_proj', config.feedForwardBias),
  };
}
