import type { WideFactors } from './decompose-wide.js';
import { createRandom } from './random.js';

/** Accepted error of W·x against U·diag(σ)·Vᵀ·x, relative to ‖σ‖·‖x‖/√columns; rounding gives about 1e-13. */
const PRODUCT_LIMIT = 1e-10;
/** Accepted error of Uᵀ(U·x) and of Vᵀ(V·x) against x; rounding gives about 1e-14 and, for graded spectra, 1e-10. */
const U_LIMIT = 1e-10;
const V_LIMIT = 1e-8;
const VECTORS = 2;

/**
 * A cheap test of a decomposition W [rank, columns], rank ≤ columns, with random vectors: four products of matrix and
 * vector each, in plain loops that share nothing with the back ends. Returns the fault in words, or null.
 */
export function checkFactors(
  w: Float64Array,
  rank: number,
  columns: number,
  factors: WideFactors,
): string | null {
  const { u, sigma, vt } = factors;
  const random = createRandom(0x5eed);
  const energy = norm(sigma);
  for (let count = 0; count < VECTORS; count++) {
    const x = Float64Array.from({ length: columns }, () => random() - 0.5);
    const y = Float64Array.from({ length: rank }, () => random() - 0.5);
    const inner = times(vt, x, rank, columns).map((entry, i) => entry * sigma[i]!);
    const product = relativeDistance(
      times(w, x, rank, columns),
      times(u, inner, rank, rank),
      (energy * norm(x)) / Math.sqrt(columns),
    );
    if (!(product <= PRODUCT_LIMIT))
      return `‖W·x − UΣVᵀ·x‖ is ${product.toExponential(1)} relative, above ${PRODUCT_LIMIT}`;
    const uFault = relativeDistance(y, timesTransposed(u, times(u, y, rank, rank), rank, rank), norm(y));
    if (!(uFault <= U_LIMIT)) return `‖UᵀU·x − x‖ is ${uFault.toExponential(1)} relative, above ${U_LIMIT}`;
    const vFault = relativeDistance(
      y,
      times(vt, timesTransposed(vt, y, rank, columns), rank, columns),
      norm(y),
    );
    if (!(vFault <= V_LIMIT)) return `‖VᵀV·x − x‖ is ${vFault.toExponential(1)} relative, above ${V_LIMIT}`;
  }
  return null;
}

function times(matrix: Float64Array, x: Float64Array, rows: number, columns: number): Float64Array {
  const result = new Float64Array(rows);
  for (let i = 0; i < rows; i++) {
    let sum = 0;
    for (let j = 0; j < columns; j++) sum += matrix[i * columns + j]! * x[j]!;
    result[i] = sum;
  }
  return result;
}

function timesTransposed(matrix: Float64Array, x: Float64Array, rows: number, columns: number): Float64Array {
  const result = new Float64Array(columns);
  for (let i = 0; i < rows; i++)
    for (let j = 0; j < columns; j++) result[j] = result[j]! + matrix[i * columns + j]! * x[i]!;
  return result;
}

function norm(x: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < x.length; i++) sum += x[i]! * x[i]!;
  return Math.sqrt(sum);
}

/** ‖a − b‖ / scale; 0 where a equals b. NaN where a factor is not finite. */
function relativeDistance(a: Float64Array, b: Float64Array, scale: number): number {
  const distance = norm(a.map((entry, i) => entry - b[i]!));
  return distance === 0 ? 0 : distance / scale;
}
