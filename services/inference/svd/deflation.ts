import { EPSILON } from './eigen.js';
import type { JoinedVectors } from './joined-vectors.js';

/** Which eigenpairs of the two halves a merge still has to solve for. */
export interface Deflation {
  /** Indices whose poles enter the secular equation, poles strictly rising. */
  readonly kept: number[];
  /** Indices that are eigenpairs of the whole already, values rising. */
  readonly settled: number[];
}

/**
 * Sets aside what the coupling ρ·z·zᵀ does not change: entries of z that are negligible, and one of each pair of poles
 * that are as good as equal, after a rotation has moved all of the pair's z to the other (LAPACK's dlaed2). Changes
 * `values`, `z` and the rotated vectors.
 */
export function deflate(
  values: Float64Array,
  z: Float64Array,
  rho: number,
  vectors: JoinedVectors,
): Deflation {
  const order = Array.from(values.keys()).sort((i, j) => values[i]! - values[j]!);
  const zMax = z.reduce((max, entry) => Math.max(max, Math.abs(entry)), 0);
  const valueMax = values.reduce((max, value) => Math.max(max, Math.abs(value)), 0);
  const tolerance = 8 * EPSILON * Math.max(valueMax, zMax);
  const kept: number[] = [];
  const settled: number[] = [];
  let open = -1;
  for (const j of order) {
    if (rho * Math.abs(z[j]!) <= tolerance) {
      settled.push(j);
      continue;
    }
    if (open >= 0) {
      if (rotateAway(open, j, { values, z, tolerance, vectors })) settled.push(open);
      else kept.push(open);
    }
    open = j;
  }
  if (open >= 0) kept.push(open);
  settled.sort((i, j) => values[i]! - values[j]!);
  return { kept, settled };
}

interface Pair {
  readonly values: Float64Array;
  readonly z: Float64Array;
  readonly tolerance: number;
  readonly vectors: JoinedVectors;
}

/** Rotates (open, j) so that z[open] = 0, if the coupling that this leaves between them is negligible. */
function rotateAway(open: number, j: number, { values, z, tolerance, vectors }: Pair): boolean {
  const length = Math.hypot(z[j]!, z[open]!);
  const cosine = z[j]! / length;
  const sine = -z[open]! / length;
  if (Math.abs((values[j]! - values[open]!) * cosine * sine) > tolerance) return false;
  z[j] = length;
  z[open] = 0;
  vectors.rotate(open, j, cosine, sine);
  const first = values[open]!;
  const second = values[j]!;
  values[j] = first * sine * sine + second * cosine * cosine;
  values[open] = first * cosine * cosine + second * sine * sine;
  return true;
}
