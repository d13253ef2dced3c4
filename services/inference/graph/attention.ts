import { type Linear, linear } from './blocks.js';
import type { GraphBuilder, Value } from './builder.js';
import {
  add,
  concat,
  matMul,
  type RotaryInputs,
  reshape,
  rmsNorm,
  rotary,
  softmax,
  split,
  transpose,
} from './ops.js';

/** Sizes of an attention block. */
export interface AttentionSizes {
  readonly heads: number;
  /** Heads of keys and values; each serves heads / keyValueHeads query heads. */
  readonly keyValueHeads: number;
  readonly headSize: number;
}

/** Weights of an attention block. */
export interface AttentionLayers {
  readonly query: Linear;
  readonly key: Linear;
  readonly value: Linear;
  readonly output: Linear;
  /** RMSNorm of each query and key head, [headSize] each (qwen3), or null. */
  readonly headNorm: { readonly query: Value; readonly key: Value; readonly epsilon: number } | null;
}

/** What attention looks at beside its input. */
export interface AttentionContext {
  readonly rotary: RotaryInputs;
  /** What came before the new tokens; null = nothing did. */
  readonly past: AttentionPast | null;
  /** Added to the scores, [batch, 1, tokens, keys]; keys = past, then tokens. */
  readonly mask: Value;
}

/** Keys and values of the past. */
export interface AttentionPast {
  /** [batch, keyValueHeads, past, headSize]. */
  readonly keys: Value;
  /** [batch, keyValueHeads, past, headSize]. */
  readonly values: Value;
  /** int64 [2]: the sizes of `past` and of `tokens`. */
  readonly pastAndTokens: Value;
}

/** Result of `attention`: the block's output and the keys and values of the new tokens, [batch, keyValueHeads, tokens, headSize]. */
export interface AttentionResult {
  readonly output: Value;
  readonly keys: Value;
  readonly values: Value;
}

/**
 * Grouped-query attention of x [batch, tokens, hidden] over the past and the new tokens. One form serves prefill,
 * chunks, decoding and ragged batches; what a token sees is the mask's business. The query heads of one key head are
 * stacked along the tokens, so that keys are never repeated.
 */
export function attention(
  g: GraphBuilder,
  x: Value,
  block: {
    readonly sizes: AttentionSizes;
    readonly layers: AttentionLayers;
    readonly context: AttentionContext;
  },
): AttentionResult {
  const { sizes, layers, context } = block;
  const { heads, keyValueHeads, headSize } = sizes;
  const norm = layers.headNorm;
  const normed = (value: Value, weight: Value | undefined) =>
    norm && weight ? rmsNorm(g, value, weight, norm.epsilon) : value;

  const rawQueries = splitHeads(g, linear(g, x, layers.query), heads, headSize);
  const rawKeys = splitHeads(g, linear(g, x, layers.key), keyValueHeads, headSize);
  const queries = rotary(g, normed(rawQueries, norm?.query), context.rotary);
  const keys = rotary(g, normed(rawKeys, norm?.key), context.rotary);
  const values = splitHeads(g, linear(g, x, layers.value), keyValueHeads, headSize);

  const grouped = reshape(g, queries, ['batch', keyValueHeads, 'groupTokens', headSize]);
  const mixed = attend(g, grouped, { ...block, keys, values });
  const perHead = reshape(g, mixed, ['batch', heads, 'tokens', headSize]);
  const merged = reshape(g, transpose(g, perHead, [0, 2, 1, 3]), ['batch', 'tokens', heads * headSize]);
  return { output: linear(g, merged, layers.output), keys, values };
}

/** [batch, tokens, heads · headSize] → [batch, heads, tokens, headSize]. */
function splitHeads(g: GraphBuilder, x: Value, heads: number, headSize: number): Value {
  return transpose(g, reshape(g, x, ['batch', 'tokens', heads, headSize]), [0, 2, 1, 3]);
}

/** Softmax(q·kᵀ/√d + mask)·v over past and new, without joining their keys or values: only the scores are joined. */
function attend(
  g: GraphBuilder,
  queries: Value,
  block: {
    readonly sizes: AttentionSizes;
    readonly context: AttentionContext;
    readonly keys: Value;
    readonly values: Value;
  },
): Value {
  const { sizes, context, keys, values } = block;
  const { past } = context;
  const scaled = { transposeB: true, scale: 1 / Math.sqrt(sizes.headSize) };
  if (!past) return matMul(g, weigh(g, matMul(g, queries, keys, scaled), { sizes, context }), values);
  const pastScores = matMul(g, queries, past.keys, scaled);
  const newScores = matMul(g, queries, keys, scaled);
  const weights = weigh(g, concat(g, [pastScores, newScores], 3, 'keys'), { sizes, context });
  const [pastWeights, newWeights] = split(g, weights, {
    axis: 3,
    sizes: ['past', 'tokens'],
    lengths: past.pastAndTokens,
  }) as [Value, Value];
  return add(g, matMul(g, pastWeights, past.values), matMul(g, newWeights, values));
}

/** Scores [batch, keyValueHeads, groupTokens, keys] to weights, each query under its token's mask. */
function weigh(
  g: GraphBuilder,
  scores: Value,
  { sizes, context }: { readonly sizes: AttentionSizes; readonly context: AttentionContext },
): Value {
  const perHead = reshape(g, scores, ['batch', sizes.heads, 'tokens', scores.shape[3] ?? 'keys']);
  return reshape(g, softmax(g, add(g, perHead, context.mask)), scores.shape);
}
