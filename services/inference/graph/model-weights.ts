import assert from 'node:assert/strict';
import type { ModelConfig, PreparedModel } from '../model/prepared.js';
import type { Linear } from './blocks.js';
import type { Dim, GraphBuilder, StoredTensor, Value } from './builder.js';
import { type LinearNames, MODEL_NAMES } from './layer-names.js';
import { split } from './ops.js';

/** Where the prepared model's tensors lie. */
export interface WeightFiles {
  /** Unfactored weights by the checkpoint's names. */
  readonly plain: ReadonlyMap<string, StoredTensor>;
  /** Factors of the adapted matrices by the matrix's name: u [rows, rank], vt [rank, columns]. */
  readonly factors: ReadonlyMap<string, { readonly u: StoredTensor; readonly vt: StoredTensor }>;
}

/** The weights of a model as values of one graph. */
export interface ModelWeights {
  /** An unfactored weight by the checkpoint's name. */
  plain(name: string): Value;
  /** Finds a layer's weights: factored, under its piece of a spectrum, where the model adapts it. */
  linears(model: PreparedModel, pieces: readonly Value[]): (names: LinearNames) => Linear;
}

/** Length of the model's spectrum: Σ of the ranks of its adapted matrices. */
export function spectrumLength(model: PreparedModel): number {
  return ranksOf(model).reduce((sum, rank) => sum + rank, 0);
}

/**
 * Adds a packed spectrum [rows, 1, R] as the input `name` and splits it into each adapted matrix's piece [rows, 1, rank], in
 * the model's order; none where nothing is adapted.
 */
export function spectrumPieces(g: GraphBuilder, model: PreparedModel, name: string, rows: Dim): Value[] {
  return packedPieces(g, ranksOf(model), name, rows);
}

/** Adds a packed vector [rows, 1, Σ lengths] as the input `name` and splits it into pieces [rows, 1, length]; none of no lengths. */
export function packedPieces(g: GraphBuilder, lengths: readonly number[], name: string, rows: Dim): Value[] {
  if (lengths.length === 0) return [];
  const total = lengths.reduce((sum, length) => sum + length, 0);
  const packed = g.input(name, 'float32', [rows, 1, total]);
  return split(g, packed, { axis: 2, sizes: lengths, lengths: g.integers(lengths) });
}

/** How one packed vector a row adapts the linear layers of a graph. */
export interface Adaptation {
  /** Lengths of the vector's pieces. */
  readonly lengths: readonly number[];
  /** Finds a layer's weights under the pieces, [rows, 1, length] each. */
  linears(weights: ModelWeights, pieces: readonly Value[]): (names: LinearNames) => Linear;
}

/** The model's own adaptation: the vector is a spectrum, its pieces scale the singular vectors of the adapted matrices. */
export function spectralAdaptation(model: PreparedModel): Adaptation {
  return {
    lengths: ranksOf(model),
    linears: (weights, pieces) => weights.linears(model, pieces),
  };
}

/** Makes the weights of a graph. */
export function modelWeights(g: GraphBuilder, weights: WeightFiles): ModelWeights {
  const plain = (name: string): Value => g.weight(find(weights.plain, name));
  return {
    plain,
    linears(model, pieces) {
      const spectra = new Map(model.adapted.map(({ name }, index) => [name, pieces[index]]));
      return (names) => {
        const bias = names.bias === null ? null : plain(names.bias);
        const spectrum = spectra.get(names.weight);
        if (!spectrum) return { weight: { kind: 'dense', matrix: plain(names.weight) }, bias };
        const { u, vt } = find(weights.factors, names.weight);
        return { weight: { kind: 'factored', u: g.weight(u), vt: g.weight(vt), spectrum }, bias };
      };
    },
  };
}

/** Final norm [hidden] and head matrix [vocabulary, hidden]; the embedding itself where they are tied. */
export function headWeights(
  config: ModelConfig,
  plain: (name: string) => Value,
): { readonly norm: Value; readonly matrix: Value } {
  return {
    norm: plain(MODEL_NAMES.finalNorm),
    matrix: plain(config.tiedEmbeddings ? MODEL_NAMES.embedding : MODEL_NAMES.head),
  };
}

const ranksOf = ({ adapted }: PreparedModel): number[] =>
  adapted.map(({ rows, columns }) => Math.min(rows, columns));

function find<T>(tensors: ReadonlyMap<string, T>, name: string): T {
  const found = tensors.get(name);
  assert.ok(found, `the prepared model holds ${name}`);
  return found;
}
