import assert from 'node:assert/strict';
import { completeBasis, projectOut } from './complete-basis.js';
import { EPSILON } from './eigen.js';
import type { Gemm } from './gemm.js';
import { gramOfRows } from './gram.js';
import { symmetricEigen } from './symmetric-eigen.js';
import { transpose } from './transpose.js';

/** W [rank, columns] = u·diag(sigma)·vt with rank ≤ columns, before signs are fixed. */
export interface WideFactors {
  /** [rank, rank] */
  readonly u: Float64Array;
  /** [rank], falling */
  readonly sigma: Float64Array;
  /** [rank, columns] */
  readonly vt: Float64Array;
}

/**
 * Singular values down to this share of a level's largest one are final: V is then orthogonal to about ε/LEVEL², far
 * below what f32 factors keep. Smaller ones are found again from what is left of W without the larger ones.
 */
const LEVEL = 1e-3;
/** Levels of a spectrum that falls from σ₁ to rounding, with room. */
const LEVELS_MAX = 32;

/**
 * The SVD of a wide matrix with entries of about 1 (see `scale.ts`). The eigenvectors of W·Wᵀ are U; the rows of
 * B = Uᵀ·W have norms σ and directions V. W = U·B holds whatever the spectrum, so squaring costs no accuracy in the
 * reconstruction; what it costs in V's small-σ rows, refining by levels gives back.
 */
export async function decomposeWide(
  w: Float64Array,
  rank: number,
  columns: number,
  gemm: Gemm,
): Promise<WideFactors> {
  const { vectors } = await symmetricEigen(await gramOfRows(w, rank, columns, gemm), rank, gemm);
  const u = reverseColumns(vectors, rank);
  const ut = transpose(u, rank, rank);
  const vt = await gemm.multiply({ m: rank, n: columns, k: rank, a: ut, b: w });
  const factors = { u, vt, sigma: new Float64Array(rank) };
  measureRows(factors, 0);
  await refine(factors, columns, gemm);
  sortFalling(factors);
  return factors;
}

/** Turns the rows of `vt` from σᵢ·vᵢ to vᵢ, level by level from the largest σ on. */
async function refine(factors: WideFactors, columns: number, gemm: Gemm): Promise<void> {
  const { vt, sigma } = factors;
  const rank = sigma.length;
  const zero = sigma.reduce((max, value) => Math.max(max, value), 0) * EPSILON * columns;
  let done = 0;
  for (let level = 0; ; level++) {
    assert(level < LEVELS_MAX, `more than ${LEVELS_MAX} levels of singular values`);
    const head = done;
    while (done < rank && sigma[done]! > zero && sigma[done]! > LEVEL * sigma[head]!) done++;
    normaliseRows(factors, head, done);
    if (done === rank) return;
    const tail = vt.subarray(done * columns);
    await projectOut(tail, vt.subarray(0, done * columns), columns, gemm);
    measureRows(factors, done);
    if (sigma.subarray(done).every((value) => value <= zero)) {
      await completeBasis(tail, vt.subarray(0, done * columns), columns, gemm);
      sigma.fill(0, done);
      return;
    }
    await rotateTail(factors, done, columns, gemm);
    measureRows(factors, done);
  }
}

/** Makes the rows of `vt` from `from` on orthogonal to each other, largest first, and turns the columns of `u` with them. */
async function rotateTail({ u, vt }: WideFactors, from: number, columns: number, gemm: Gemm): Promise<void> {
  const rank = vt.length / columns;
  const count = rank - from;
  const tail = vt.subarray(from * columns);
  const { vectors } = await symmetricEigen(await gramOfRows(tail, count, columns, gemm), count, gemm);
  const rotation = reverseColumns(vectors, count);
  tail.set(
    await gemm.multiply({ m: count, n: columns, k: count, a: transpose(rotation, count, count), b: tail }),
  );
  const part = new Float64Array(rank * count);
  for (let i = 0; i < rank; i++) part.set(u.subarray(i * rank + from, (i + 1) * rank), i * count);
  const turned = await gemm.multiply({ m: rank, n: count, k: count, a: part, b: rotation });
  for (let i = 0; i < rank; i++) u.set(turned.subarray(i * count, (i + 1) * count), i * rank + from);
}

/** Eigenvectors come with rising eigenvalues; singular vectors with falling ones. */
function reverseColumns(matrix: Float64Array, n: number): Float64Array {
  const result = matrix.slice();
  for (let i = 0; i < n; i++) result.subarray(i * n, (i + 1) * n).reverse();
  return result;
}

/** sigma[i] = norm of row i of `vt`, for i ≥ from. */
function measureRows({ vt, sigma }: WideFactors, from: number): void {
  const columns = vt.length / sigma.length;
  for (let i = from; i < sigma.length; i++) {
    let square = 0;
    for (let j = i * columns; j < (i + 1) * columns; j++) square += vt[j]! * vt[j]!;
    sigma[i] = Math.sqrt(square);
  }
}

function normaliseRows({ vt, sigma }: WideFactors, from: number, to: number): void {
  const columns = vt.length / sigma.length;
  for (let i = from; i < to; i++) {
    const scale = 1 / sigma[i]!;
    for (let j = i * columns; j < (i + 1) * columns; j++) vt[j] = vt[j]! * scale;
  }
}

/** Puts the few singular values right that rounding left out of order. */
function sortFalling({ u, sigma, vt }: WideFactors): void {
  const rank = sigma.length;
  const columns = vt.length / rank;
  const order = Array.from(sigma.keys()).sort((i, j) => sigma[j]! - sigma[i]!);
  if (order.every((source, index) => source === index)) return;
  const old = { u: u.slice(), sigma: sigma.slice(), vt: vt.slice() };
  order.forEach((source, to) => {
    if (source === to) return;
    sigma[to] = old.sigma[source]!;
    vt.set(old.vt.subarray(source * columns, (source + 1) * columns), to * columns);
    for (let row = 0; row < rank; row++) u[row * rank + to] = old.u[row * rank + source]!;
  });
}
