import assert from 'node:assert/strict';
import { type Eigen, EPSILON } from './eigen.js';

/** Sweeps per eigenvalue; two or three are usual. */
const SWEEPS_MAX = 60;

/**
 * Eigenvalues and eigenvectors of a small symmetric tridiagonal matrix by the QL method with implicit shifts (EISPACK's
 * imtql2; Dubrulle, Martin & Wilkinson, 1968). `offDiagonal[i]` couples i and i + 1.
 */
export function implicitQl(diagonal: Float64Array, offDiagonal: Float64Array): Eigen {
  const n = diagonal.length;
  const d = diagonal.slice();
  const e = offDiagonal.slice(0, n);
  e[n - 1] = 0;
  // Eigenvectors are rows while they are rotated.
  const rows = new Float64Array(n * n);
  for (let i = 0; i < n; i++) rows[i * n + i] = 1;
  for (let low = 0; low < n; low++) {
    for (let sweep = 0; ; sweep++) {
      const high = firstUncoupled(d, e, low);
      if (high === low) break;
      assert(sweep < SWEEPS_MAX, `QL did not converge in ${SWEEPS_MAX} sweeps`);
      sweepUp(d, e, low, high, rows);
    }
  }
  return sorted(d, rows, n);
}

/** The first index from `low` on whose coupling to the next one is negligible. */
function firstUncoupled(d: Float64Array, e: Float64Array, low: number): number {
  let high = low;
  while (high < d.length - 1) {
    const scale = Math.abs(d[high]!) + Math.abs(d[high + 1]!);
    if (Math.abs(e[high]!) <= EPSILON * scale) break;
    high++;
  }
  return high;
}

/** One implicit QL sweep over the block low…high. */
function sweepUp(d: Float64Array, e: Float64Array, low: number, high: number, rows: Float64Array): void {
  const n = d.length;
  const shift = (d[low + 1]! - d[low]!) / (2 * e[low]!);
  const length = Math.hypot(shift, 1);
  let g = d[high]! - d[low]! + e[low]! / (shift + (shift >= 0 ? length : -length));
  let sine = 1;
  let cosine = 1;
  let p = 0;
  for (let i = high - 1; i >= low; i--) {
    const f = sine * e[i]!;
    const b = cosine * e[i]!;
    const r = Math.hypot(f, g);
    e[i + 1] = r;
    if (r === 0) {
      d[i + 1] = d[i + 1]! - p;
      e[high] = 0;
      return;
    }
    sine = f / r;
    cosine = g / r;
    g = d[i + 1]! - p;
    const t = (d[i]! - g) * sine + 2 * cosine * b;
    p = sine * t;
    d[i + 1] = g + p;
    g = cosine * t - b;
    for (let k = i * n; k < (i + 1) * n; k++) {
      const upper = rows[k + n]!;
      rows[k + n] = sine * rows[k]! + cosine * upper;
      rows[k] = cosine * rows[k]! - sine * upper;
    }
  }
  d[low] = d[low]! - p;
  e[low] = g;
  e[high] = 0;
}

function sorted(d: Float64Array, rows: Float64Array, n: number): Eigen {
  const order = Array.from(d.keys()).sort((i, j) => d[i]! - d[j]!);
  const vectors = new Float64Array(n * n);
  order.forEach((source, column) => {
    for (let k = 0; k < n; k++) vectors[k * n + column] = rows[source * n + k]!;
  });
  return { values: Float64Array.from(order, (source) => d[source]!), vectors };
}
