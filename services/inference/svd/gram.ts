import type { Gemm } from './gemm.js';

/** Rows that enter one product; only blocks on and below the diagonal are computed. */
const BLOCK = 512;

/** The Gram matrix M·Mᵀ [rows, rows] of M [rows, columns]. */
export async function gramOfRows(
  matrix: Float64Array,
  rows: number,
  columns: number,
  gemm: Gemm,
): Promise<Float64Array> {
  const gram = new Float64Array(rows * rows);
  for (let i = 0; i < rows; i += BLOCK) {
    const m = Math.min(BLOCK, rows - i);
    const a = matrix.subarray(i * columns, (i + m) * columns);
    for (let j = 0; j <= i; j += BLOCK) {
      const n = Math.min(BLOCK, rows - j);
      const b = matrix.subarray(j * columns, (j + n) * columns);
      const block = await gemm.multiply({ m, n, k: columns, a, b, transposeB: true });
      for (let p = 0; p < m; p++)
        for (let q = 0; q < n; q++) {
          const dot = block[p * n + q]!;
          gram[(i + p) * rows + j + q] = dot;
          gram[(j + q) * rows + i + p] = dot;
        }
    }
  }
  return gram;
}
