import type { ModelConfig } from '../model/prepared.js';
import { type AttentionContext, attention } from './attention.js';
import { type Linear, swiGlu } from './blocks.js';
import type { GraphBuilder, Value } from './builder.js';
import { type LinearNames, layerNames, MODEL_NAMES } from './layer-names.js';
import { add, gather, rmsNorm } from './ops.js';

/** Where a decoder's weights and contexts come from. */
export interface DecoderParts {
  readonly config: ModelConfig;
  /** An unfactored weight by the checkpoint's name. */
  readonly plain: (name: string) => Value;
  readonly linearOf: (names: LinearNames) => Linear;
  readonly contextOf: (layer: number) => AttentionContext;
}

/** What the layers give: hidden states [batch, tokens, hidden] and each layer's new keys, then values, in order. */
export interface DecoderResult {
  readonly hidden: Value;
  readonly newKv: readonly Value[];
}

/** Embedding and all layers over `tokens` int32 [batch, tokens]; the final norm belongs to the head. */
export function decoder(g: GraphBuilder, tokens: Value, parts: DecoderParts): DecoderResult {
  const { config, plain, linearOf, contextOf } = parts;
  const newKv: Value[] = [];
  let x = gather(g, plain(MODEL_NAMES.embedding), tokens);
  for (let index = 0; index < config.layers; index += 1) {
    const names = layerNames(config, index);
    const norm = names.headNorm;
    const attended = attention(g, rmsNorm(g, x, plain(names.attentionNorm), config.normEpsilon), {
      sizes: config,
      layers: {
        query: linearOf(names.query),
        key: linearOf(names.key),
        value: linearOf(names.value),
        output: linearOf(names.output),
        headNorm: norm && { query: plain(norm.query), key: plain(norm.key), epsilon: config.normEpsilon },
      },
      context: contextOf(index),
    });
    newKv.push(attended.keys, attended.values);
    x = add(g, x, attended.output);
    const feedForward = swiGlu(g, rmsNorm(g, x, plain(names.feedForwardNorm), config.normEpsilon), {
      gate: linearOf(names.gate),
      up: linearOf(names.up),
      down: linearOf(names.down),
    });
    x = add(g, x, feedForward);
  }
  return { hidden: x, newKv };
}
