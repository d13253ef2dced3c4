import type { LinearShape, ModelConfig } from './prepared.js';

/** One weight that a checkpoint of this config must have. */
export interface WeightShape {
  /** The checkpoint's name. */
  readonly name: string;
  readonly shape: readonly number[];
}

/** Which linears are kept factored: those of the MLP (the paper's choice), or all. */
export type AdaptScope = 'mlp' | 'all';

/**
 * Every weight of a model in canonical order: embedding; per layer norms, q k v o, gate up down; last norm; head. It is the
 * order of the fingerprint, so it must never change.
 */
export function canonicalWeights(config: ModelConfig): WeightShape[] {
  const { hiddenSize, vocabularySize } = config;
  const weights: WeightShape[] = [{ name: 'model.embed_tokens.weight', shape: [vocabularySize, hiddenSize] }];
  for (let layer = 0; layer < config.layers; layer++) weights.push(...layerWeights(config, layer));
  weights.push({ name: 'model.norm.weight', shape: [hiddenSize] });
  if (!config.tiedEmbeddings) weights.push({ name: 'lm_head.weight', shape: [vocabularySize, hiddenSize] });
  return weights;
}

/** The linears of all layers in canonical order (layer, then q k v o gate up down). The head is not one of them. */
export function canonicalLinears(config: ModelConfig): LinearShape[] {
  const linears: LinearShape[] = [];
  for (let layer = 0; layer < config.layers; layer++) {
    linears.push(...attentionLinears(config, layer), ...feedForwardLinears(config, layer));
  }
  return linears;
}

/** The linears that are kept factored under a scope, in canonical order. */
export function adaptedLinears(config: ModelConfig, scope: AdaptScope): LinearShape[] {
  const linears = canonicalLinears(config);
  return scope === 'all' ? linears : linears.filter(({ name }) => name.includes('.mlp.'));
}

/** Number of parameters; a tied head counts once. */
export function countParameters(config: ModelConfig): number {
  return canonicalWeights(config).reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0);
}

function layerWeights(config: ModelConfig, layer: number): WeightShape[] {
  const prefix = `model.layers.${layer}`;
  const { hiddenSize, headSize } = config;
  const weights: WeightShape[] = [{ name: `${prefix}.input_layernorm.weight`, shape: [hiddenSize] }];
  const [query, key, value, output] = attentionLinears(config, layer) as [
    LinearShape,
    LinearShape,
    LinearShape,
    LinearShape,
  ];
  for (const linear of [query, key, value]) weights.push(...withBias(linear, config.attentionBias));
  weights.push(...withBias(output, config.outputBias));
  if (config.queryKeyNorm) {
    weights.push({ name: `${prefix}.self_attn.q_norm.weight`, shape: [headSize] });
    weights.push({ name: `${prefix}.self_attn.k_norm.weight`, shape: [headSize] });
  }
  weights.push({ name: `${prefix}.post_attention_layernorm.weight`, shape: [hiddenSize] });
  for (const linear of feedForwardLinears(config, layer))
    weights.push(...withBias(linear, config.feedForwardBias));
  return weights;
}

function attentionLinears(config: ModelConfig, layer: number): LinearShape[] {
  const prefix = `model.layers.${layer}.self_attn`;
  const { hiddenSize, heads, keyValueHeads, headSize } = config;
  return [
    { name: `${prefix}.q_proj.weight`, rows: heads * headSize, columns: hiddenSize },
    { name: `${prefix}.k_proj.weight`, rows: keyValueHeads * headSize, columns: hiddenSize },
    { name: `${prefix}.v_proj.weight`, rows: keyValueHeads * headSize, columns: hiddenSize },
    { name: `${prefix}.o_proj.weight`, rows: hiddenSize, columns: heads * headSize },
  ];
}

function feedForwardLinears(config: ModelConfig, layer: number): LinearShape[] {
  const prefix = `model.layers.${layer}.mlp`;
  const { hiddenSize, feedForwardSize } = config;
  return [
    { name: `${prefix}.gate_proj.weight`, rows: feedForwardSize, columns: hiddenSize },
    { name: `${prefix}.up_proj.weight`, rows: feedForwardSize, columns: hiddenSize },
    { name: `${prefix}.down_proj.weight`, rows: hiddenSize, columns: feedForwardSize },
  ];
}

function withBias({ name, rows, columns }: LinearShape, bias: boolean): WeightShape[] {
  const weight = { name, shape: [rows, columns] };
  return bias ? [weight, { name: name.replace(/weight$/, 'bias'), shape: [rows] }] : [weight];
}
