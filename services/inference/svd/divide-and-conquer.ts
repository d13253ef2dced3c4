import { deflate } from './deflation.js';
import type { Eigen } from './eigen.js';
import type { Gemm } from './gemm.js';
import { implicitQl } from './implicit-ql.js';
import { JoinedVectors } from './joined-vectors.js';
import { type SecularRoots, solveSecular } from './secular.js';

/** Order up to which QL is quicker than dividing. */
const LEAF = 48;

/**
 * Eigenvalues and eigenvectors of a symmetric tridiagonal matrix by divide and conquer (Cuppen, 1981; made stable by
 * Gu & Eisenstat, 1995): both halves are solved, then joined by an update of rank one whose eigenvalues are the roots
 * of a secular equation. Nearly all of the work is products.
 */
export async function divideAndConquer(
  diagonal: Float64Array,
  offDiagonal: Float64Array,
  gemm: Gemm,
): Promise<Eigen> {
  const n = diagonal.length;
  if (n <= LEAF) return implicitQl(diagonal, offDiagonal);
  const split = n >> 1;
  const coupling = offDiagonal[split - 1]!;
  const torn = diagonal.slice();
  torn[split - 1] = torn[split - 1]! - Math.abs(coupling);
  torn[split] = torn[split]! - Math.abs(coupling);
  const upper = await divideAndConquer(torn.subarray(0, split), offDiagonal.subarray(0, split), gemm);
  const lower = await divideAndConquer(torn.subarray(split), offDiagonal.subarray(split), gemm);
  return join(upper, lower, coupling, gemm);
}

/** Eigenpairs of diag(upper, lower) + |coupling|·u·uᵀ with u = (last unit vector, ±first unit vector). */
async function join(upper: Eigen, lower: Eigen, coupling: number, gemm: Gemm): Promise<Eigen> {
  const split = upper.values.length;
  const rest = lower.values.length;
  const values = new Float64Array(split + rest);
  values.set(upper.values);
  values.set(lower.values, split);
  const z = new Float64Array(split + rest);
  for (let j = 0; j < split; j++) z[j] = upper.vectors[(split - 1) * split + j]! * Math.SQRT1_2;
  const sign = coupling < 0 ? -1 : 1;
  for (let j = 0; j < rest; j++) z[split + j] = sign * lower.vectors[j]! * Math.SQRT1_2;
  const rho = 2 * Math.abs(coupling);

  const joined = new JoinedVectors(upper, lower);
  const { kept, settled } = deflate(values, z, rho, joined);
  const poles = Float64Array.from(kept, (j) => values[j]!);
  const weights = Float64Array.from(kept, (j) => z[j]! * z[j]!);
  const solved = solveSecular({ poles, weights, rho });
  const signs = Float64Array.from(kept, (j) => Math.sign(z[j]!));
  const rotation = eigenvectorRows(solved, poles, signs);

  const order = mergedOrder(
    solved.roots,
    Float64Array.from(settled, (j) => values[j]!),
  );
  const vectors = new Float64Array((split + rest) ** 2);
  for (const half of ['upper', 'lower'] as const) {
    const target = half === 'upper' ? vectors : vectors.subarray(split * (split + rest));
    const turned = await turn(joined, half, kept, rotation, gemm);
    scatter(target, order, { turned, kept: kept.length }, joined.gather(half, settled), settled.length);
  }
  const sorted = Float64Array.from(order, (source) =>
    source >= 0 ? solved.roots[source]! : values[settled[-1 - source]!]!,
  );
  return { values: sorted, vectors };
}

/**
 * Eigenvectors of diag(poles) + ρ·z·zᵀ as rows, in place of the differences. They belong to the ẑ for which the computed
 * roots are exact (Gu & Eisenstat), and are orthogonal however close the roots lie.
 */
function eigenvectorRows(
  { differences }: SecularRoots,
  poles: Float64Array,
  signs: Float64Array,
): Float64Array {
  const count = poles.length;
  const z = new Float64Array(count).fill(1);
  for (let i = 0; i < count; i++)
    for (let j = 0; j < count; j++) {
      const difference = differences[i * count + j]!;
      z[j] = z[j]! * (i === j ? -difference : difference / (poles[j]! - poles[i]!));
    }
  for (let j = 0; j < count; j++) z[j] = signs[j]! * Math.sqrt(Math.abs(z[j]!));
  for (let i = 0; i < count; i++) {
    const row = differences.subarray(i * count, (i + 1) * count);
    let square = 0;
    for (let j = 0; j < count; j++) {
      const entry = z[j]! / row[j]!;
      row[j] = entry;
      square += entry * entry;
    }
    const scale = 1 / Math.sqrt(square);
    for (let j = 0; j < count; j++) row[j] = row[j]! * scale;
  }
  return differences;
}

/** One half's rows of the kept vectors, turned by the rotation: [rows, kept.length]. Columns that are zero there are left out. */
async function turn(
  joined: JoinedVectors,
  half: 'upper' | 'lower',
  kept: readonly number[],
  rotation: Float64Array,
  gemm: Gemm,
): Promise<Float64Array> {
  const count = kept.length;
  const places = Int32Array.from(kept.keys()).filter((place) => joined.reaches(half, kept[place]!));
  const m = joined[half].values.length;
  if (places.length === 0) return new Float64Array(m * count);
  const k = places.length;
  const b = new Float64Array(count * k);
  for (let i = 0; i < count; i++)
    for (let q = 0; q < k; q++) b[i * k + q] = rotation[i * count + places[q]!]!;
  const a = joined.gather(
    half,
    Array.from(places, (place) => kept[place]!),
  );
  return gemm.multiply({ m, n: count, k, a, b, transposeB: true });
}

/** Rising order of two rising lists: i for the i-th of `roots`, −1 − i for the i-th of `settled`. */
function mergedOrder(roots: Float64Array, settled: Float64Array): Int32Array {
  const order = new Int32Array(roots.length + settled.length);
  let r = 0;
  let s = 0;
  for (let at = 0; at < order.length; at++) {
    const takeRoot = s >= settled.length || (r < roots.length && roots[r]! <= settled[s]!);
    order[at] = takeRoot ? r++ : -1 - s++;
  }
  return order;
}

/** Puts turned and settled columns in their merged order. */
function scatter(
  target: Float64Array,
  order: Int32Array,
  { turned, kept }: { readonly turned: Float64Array; readonly kept: number },
  unchanged: Float64Array,
  settled: number,
): void {
  const n = order.length;
  const rows = kept > 0 ? turned.length / kept : unchanged.length / settled;
  for (let row = 0; row < rows; row++)
    for (let column = 0; column < n; column++) {
      const source = order[column]!;
      target[row * n + column] =
        source >= 0 ? turned[row * kept + source]! : unchanged[row * settled - 1 - source]!;
    }
}
