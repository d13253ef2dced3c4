import assert from 'node:assert/strict';
import type { PreparedModel } from '../model/prepared.js';
import { type AttentionContext, attention } from './attention.js';
import { type Linear, swiGlu } from './blocks.js';
import { GraphBuilder, type StoredTensor, type Value } from './builder.js';
import { addHead } from './head.js';
import { type LinearNames, layerNames, MODEL_NAMES } from './layer-names.js';
import { add, cast, concat, gather, rmsNorm, shapeOf, split } from './ops.js';
import { pagedPast } from './paged-past.js';
import { rotaryTables } from './rotary-tables.js';

/** Where the prepared model's tensors lie. */
export interface WeightFiles {
  /** Unfactored weights by the checkpoint's names. */
  readonly plain: ReadonlyMap<string, StoredTensor>;
  /** Factors of the adapted matrices by the matrix's name: u [rows, rank], vt [rank, columns]. */
  readonly factors: ReadonlyMap<string, { readonly u: StoredTensor; readonly vt: StoredTensor }>;
}

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
  const plain = (name: string) => g.weight(find(weights.plain, name));
  const linearOf = linears(g, options);
  const embedding = plain(MODEL_NAMES.embedding);
  const contextOf = contexts(g, options, tokens);

  const newKv: Value[] = [];
  let x = gather(g, embedding, tokens);
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
  g.output('new_kv', concat(g, newKv, 0, 'layersKindsBatch'));
  addHead(g, x, {
    config,
    norm: plain(MODEL_NAMES.finalNorm),
    matrix: config.tiedEmbeddings ? embedding : plain(MODEL_NAMES.head),
  });
  return g;
}

/** Length of the model's spectrum: Σ of the ranks of its adapted matrices. */
export function spectrumLength(model: PreparedModel): number {
  return model.adapted.reduce((sum, { rows, columns }) => sum + Math.min(rows, columns), 0);
}

/** Looks up a layer's weights: factored where the model adapts it, with its piece of the packed spectrum. */
function linears(g: GraphBuilder, { model, weights }: ServingOptions): (names: LinearNames) => Linear {
  const ranks = model.adapted.map(({ rows, columns }) => Math.min(rows, columns));
  const pieces =
    ranks.length === 0
      ? []
      : split(g, g.input('spectrum', 'float32', ['batch', 1, spectrumLength(model)]), {
          axis: 2,
          sizes: ranks,
          lengths: g.integers(ranks),
        });
  const spectra = new Map(model.adapted.map(({ name }, index) => [name, pieces[index]]));
  return (names) => {
    const bias = names.bias === null ? null : g.weight(find(weights.plain, names.bias));
    const spectrum = spectra.get(names.weight);
    if (!spectrum)
      return { weight: { kind: 'dense', matrix: g.weight(find(weights.plain, names.weight)) }, bias };
    const { u, vt } = find(weights.factors, names.weight);
    return { weight: { kind: 'factored', u: g.weight(u), vt: g.weight(vt), spectrum }, bias };
  };
}

/** Adds what all layers share and returns each layer's attention context. */
function contexts(
  g: GraphBuilder,
  options: ServingOptions,
  tokens: Value,
): (layer: number) => AttentionContext {
  const { config } = options.model;
  const tables = rotaryTables(config);
  const tableShape = [config.contextLength, config.headSize / 2];
  const rotary = {
    positions: cast(g, g.input('positions', 'int32', ['batch', 'tokens']), 'int64'),
    cos: g.floats(tables.cos, tableShape),
    sin: g.floats(tables.sin, tableShape),
  };
  const mask = g.input('mask', 'float32', ['batch', 1, 'tokens', 'keys']);
  const past = pagedPast(g, { config, pageTokens: options.pageTokens });
  const pastAndTokens = concat(g, [past.length, shapeOf(g, tokens, 1, 2)], 0, 2);
  return (layer) => ({ rotary, mask, pastAndTokens, past: past.ofLayer(layer) });
}

function find<T>(tensors: ReadonlyMap<string, T>, name: string): T {
  const found = tensors.get(name);
  assert.ok(found, `the prepared model holds ${name}`);
  return found;
}
