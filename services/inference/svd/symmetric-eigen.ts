import { backTransform } from './back-transform.js';
import { divideAndConquer } from './divide-and-conquer.js';
import type { Eigen } from './eigen.js';
import type { Gemm } from './gemm.js';
import { tridiagonalise } from './tridiagonal.js';

/** Eigenvalues, rising, and eigenvectors of a symmetric matrix [n, n] with finite entries; the matrix is left as it is. */
export async function symmetricEigen(matrix: Float64Array, n: number, gemm: Gemm): Promise<Eigen> {
  const { diagonal, offDiagonal, panels } = await tridiagonalise(matrix, n, gemm);
  let scale = 0;
  for (let i = 0; i < n; i++) scale = Math.max(scale, Math.abs(diagonal[i]!), Math.abs(offDiagonal[i]!));
  if (scale === 0) return { values: new Float64Array(n), vectors: identity(n) };
  const unit = (entry: number) => entry / scale;
  const { values, vectors } = await divideAndConquer(diagonal.map(unit), offDiagonal.map(unit), gemm);
  await backTransform(panels, vectors, n, gemm);
  return { values: values.map((value) => value * scale), vectors };
}

function identity(n: number): Float64Array {
  const matrix = new Float64Array(n * n);
  for (let i = 0; i < n; i++) matrix[i * n + i] = 1;
  return matrix;
}
