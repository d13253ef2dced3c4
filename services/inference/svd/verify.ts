import type { Gemm } from './gemm.js';
import type { ThinSvd } from './thin-svd.js';
import { transpose } from './transpose.js';

/** Rows of W that are rebuilt at once. */
const BLOCK_ROWS = 256;

/**
 * ‖W − U·diag(σ)·Vᵀ‖_F / ‖W‖_F for the factors as they are stored: U and Vᵀ rounded to f32, σ in f64, the product
 * accumulated in f64. 0 for a zero matrix. W is [rows, columns], row-major. Rounding to f32 alone gives about 4e-8.
 */
export async function reconstructionError(
  matrix: Float32Array | Float64Array,
  rows: number,
  columns: number,
  svd: ThinSvd,
  gemm: Gemm,
): Promise<number> {
  const { rank, sigma } = svd;
  const vt = new Float64Array(new Float32Array(svd.vt));
  const scaled = new Float64Array(new Float32Array(svd.u));
  for (let i = 0; i < scaled.length; i++) scaled[i] = scaled[i]! * sigma[i % rank]!;
  // Relative to the largest entry, so that no square leaves f64's range.
  let unit = 0;
  for (let i = 0; i < matrix.length; i++) unit = Math.max(unit, Math.abs(matrix[i]!));
  if (unit === 0) return sigma[0] === 0 ? 0 : Number.POSITIVE_INFINITY;
  let missing = 0;
  let total = 0;
  for (let row = 0; row < rows; row += BLOCK_ROWS) {
    const m = Math.min(BLOCK_ROWS, rows - row);
    const a = scaled.subarray(row * rank, (row + m) * rank);
    const product = await gemm.multiply({ m, n: columns, k: rank, a, b: vt });
    for (let i = 0, from = row * columns; i < product.length; i++) {
      const entry = matrix[from + i]! / unit;
      missing += (product[i]! / unit - entry) ** 2;
      total += entry ** 2;
    }
  }
  return Math.sqrt(missing / total);
}

/** How far the f64 factors are from orthonormal. */
export interface OrthogonalityFaults {
  /** max |UᵀU − I| */
  readonly u: number;
  /** max |VᵀV − I| */
  readonly v: number;
}

/** Both factors' distance from orthonormal columns (rows of Vᵀ). */
export async function orthogonalityFaults(svd: ThinSvd, gemm: Gemm): Promise<OrthogonalityFaults> {
  const { rank, u, vt } = svd;
  const ut = transpose(u, u.length / rank, rank);
  return { u: await rowsFault(ut, rank, gemm), v: await rowsFault(vt, rank, gemm) };
}

async function rowsFault(matrix: Float64Array, rows: number, gemm: Gemm): Promise<number> {
  const k = matrix.length / rows;
  const gram = await gemm.multiply({ m: rows, n: rows, k, a: matrix, b: matrix, transposeB: true });
  let fault = 0;
  for (let i = 0; i < gram.length; i++) {
    const expected = i % (rows + 1) === 0 ? 1 : 0;
    const distance = Math.abs(gram[i]! - expected);
    fault = Math.max(fault, distance);
  }
  return fault;
}
