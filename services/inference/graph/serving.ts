import type { PreparedModel } from '../model/prepared.js';
import type { AttentionContext } from './attention.js';
import { GraphBuilder, type Value } from './builder.js';
import { decoder } from './decoder.js';
import { addHead } from './head.js';
import { headWeights, modelWeights, spectrumPieces, type WeightFiles } from './model-weights.js';
import { concat, shapeOf } from './ops.js';
import { pagedPast } from './paged-past.js';
import { rotaryInputs } from './rotary-inputs.js';

/** What the serving graph is built from. */
export interface ServingOptions {
  readonly model: PreparedModel;
  readonly weights: WeightFiles;
  /** Positions per page of KV storage. */
  readonly pageTokens: number;
}

/**
 * The serving graph. Symbolic sizes: batch rows, `tokens` new tokens a row (padded), `pages` pages of past a row
 * (padded, may be 0), `wanted` tokens whose logits are computed.
 *
 * Inputs: `tokens`, `positions` int32 [batch, tokens] · `mask` [batch, 1, tokens, past + tokens] ·
 * `page_table` int32 [batch, pages] · `kv` [kv_rows, pageTokens, headSize] · `spectrum` [batch, 1, R], absent where
 * nothing is adapted · `wanted` int32 [wanted], into [batch · tokens] · `k` int64 [1] · `targets` int32 [wanted, 1].
 *
 * Outputs: `new_kv` [layers · 2 · batch, keyValueHeads, tokens, headSize] · those of `addHead`.
 */
export function servingGraph(options: ServingOptions): GraphBuilder {
  const { model, weights } = options;
  const { config } = model;
  const g = new GraphBuilder();
  const tokens = g.input('tokens', 'int32', ['batch', 'tokens']);
  const weightOf = modelWeights(g, weights);
  const { plain } = weightOf;
  const { hidden, newKv } = decoder(g, tokens, {
    config,
    plain,
    linearOf: weightOf.linears(model, spectrumPieces(g, model, 'spectrum', 'batch')),
    contextOf: contexts(g, options, tokens),
  });
  g.output('new_kv', concat(g, newKv, 0, 'layersKindsBatch'));
  addHead(g, hidden, { config, ...headWeights(config, plain) });
  return g;
}

/** Adds what all layers share and returns each layer's attention context. */
function contexts(
  g: GraphBuilder,
  options: ServingOptions,
  tokens: Value,
): (layer: number) => AttentionContext {
  const { config } = options.model;
  const rotary = rotaryInputs(g, config);
  const mask = g.input('mask', 'float32', ['batch', 1, 'tokens', 'keys']);
  const past = pagedPast(g, { config, pageTokens: options.pageTokens });
  const pastAndTokens = concat(g, [past.length, shapeOf(g, tokens, 1, 2)], 0, 2);
  return (layer) => ({ rotary, mask, past: { ...past.ofLayer(layer), pastAndTokens } });
}
