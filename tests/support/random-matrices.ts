/** Seeded random matrices with every kind of spectrum that a checkpoint, or a bad one, may show. */

/** Uniform numbers in [0, 1): an xorshift generator, so that tests share no generator with the product. */
export function seededUniform(seed: number): () => number {
  let state = (seed * 2_654_435_761 + 0x9e3779b9) >>> 0 || 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    state >>>= 0;
    return state / 2 ** 32;
  };
}

type Fill = (rows: number, columns: number, normal: () => number, uniform: () => number) => Float64Array;

/** What each kind puts into the matrix. */
export const MATRIX_KINDS: Readonly<Record<string, Fill>> = {
  gauss: (rows, columns, normal) => fill(rows, columns, () => normal()),
  'weights-like': (rows, columns, normal) => {
    // A few strong directions over noise, as trained weights have.
    const strong = lowRank(rows, columns, Math.min(4, rows, columns), normal);
    return fill(rows, columns, (i, j) => 0.02 * normal() + 0.1 * strong[i * columns + j]!);
  },
  'graded rows': (rows, columns, normal) => fill(rows, columns, (i) => normal() * 10 ** ((-10 * i) / rows)),
  'graded columns': (rows, columns, normal) =>
    fill(rows, columns, (_, j) => normal() * 10 ** ((-8 * j) / columns)),
  'graded spectrum': (rows, columns, normal) => {
    const rank = Math.min(rows, columns, 24);
    return lowRank(rows, columns, rank, normal, (k) => 10 ** ((-9 * k) / rank));
  },
  integer: (rows, columns, normal) => fill(rows, columns, () => Math.round(normal())),
  banded: (rows, columns, normal) => fill(rows, columns, (i, j) => (Math.abs(i - j) <= 1 ? normal() : 0)),
  sign: (rows, columns, normal) => fill(rows, columns, () => Math.sign(normal())),
  'low rank': (rows, columns, normal) =>
    lowRank(rows, columns, Math.ceil(Math.min(rows, columns) / 4), normal),
  'low rank and noise': (rows, columns, normal) => {
    const strong = lowRank(rows, columns, Math.ceil(Math.min(rows, columns) / 8), normal);
    return strong.map((entry) => entry + 1e-7 * normal());
  },
  'repeated values': (rows, columns) => fill(rows, columns, (i, j) => (i === j ? 1 + (i % 3) : 0)),
  'equal values': (rows, columns, normal) => {
    // A reflection I − 2vvᵀ/vᵀv, cut to shape: nearly all σ equal, none on the diagonal alone.
    const v = Float64Array.from({ length: Math.max(rows, columns) }, () => normal());
    const square = v.reduce((sum, entry) => sum + entry * entry, 0);
    return fill(rows, columns, (i, j) => (i === j ? 1 : 0) - (2 * v[i]! * v[j]!) / square);
  },
  'duplicate rows': (rows, columns, normal) => {
    const few = fill(7, columns, () => normal());
    return fill(rows, columns, (i, j) => few[(i % 7) * columns + j]! * (1 + (i % 2)));
  },
  'zero rows and columns': (rows, columns, normal) =>
    fill(rows, columns, (i, j) => (i % 3 === 1 || j % 5 === 2 ? 0 : normal())),
  constant: (rows, columns, normal) =>
    fill(
      rows,
      columns,
      (
        (entry) => () =>
          entry
      )(normal()),
    ),
  hilbert: (rows, columns) => fill(rows, columns, (i, j) => 1 / (i + j + 1)),
  sparse: (rows, columns, normal, uniform) => fill(rows, columns, () => (uniform() < 0.03 ? normal() : 0)),
  outliers: (rows, columns, normal, uniform) =>
    fill(rows, columns, () => normal() * (uniform() < 0.01 ? 1e6 : 1)),
};

/** A matrix of one kind, in f32 as checkpoints hold it. */
export function randomMatrix(kind: string, rows: number, columns: number, seed: number): Float32Array {
  const uniform = seededUniform(seed);
  for (let i = 0; i < 16; i++) uniform();
  const normal = () => Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform());
  return Float32Array.from(MATRIX_KINDS[kind]!(rows, columns, normal, uniform));
}

function fill(rows: number, columns: number, entry: (i: number, j: number) => number): Float64Array {
  const matrix = new Float64Array(rows * columns);
  for (let i = 0; i < rows; i++) for (let j = 0; j < columns; j++) matrix[i * columns + j] = entry(i, j);
  return matrix;
}

/** A sum of `rank` random outer products, the k-th times weight(k). */
function lowRank(
  rows: number,
  columns: number,
  rank: number,
  normal: () => number,
  weight: (k: number) => number = () => 1,
): Float64Array {
  const left = fill(rows, rank, () => normal());
  const right = fill(rank, columns, () => normal());
  return fill(rows, columns, (i, j) => {
    let sum = 0;
    for (let k = 0; k < rank; k++) sum += left[i * rank + k]! * weight(k) * right[k * columns + j]!;
    return sum;
  });
}
