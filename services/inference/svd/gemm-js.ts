import type { Gemm, Product } from './gemm.js';
import { transpose } from './transpose.js';

/** The reference back end: plain loops over 4×4 tiles, about 4 GF/s on a core that gives ONNX Runtime 40. */
export const gemmJs: Gemm = {
  name: 'js',
  async multiply(product) {
    const { m, n, k, minuend } = product;
    const a = product.transposeA ? transpose(product.a, k, m) : product.a;
    const b = product.transposeB ? product.b : transpose(product.b, k, n);
    const result = product.into ?? new Float64Array(m * n);
    fillTiles({ ...product, a, b }, result);
    if (minuend) for (let i = 0; i < result.length; i++) result[i] = minuend[i]! - result[i]!;
    return result;
  },
};

/** result[m, n] = a[m, k]·b[n, k]ᵀ: rows against rows, so that every inner loop reads along memory. */
function fillTiles({ m, n, k, a, b }: Product, result: Float64Array): void {
  const evenRows = m - (m % 4);
  const evenColumns = n - (n % 4);
  for (let i = 0; i < evenRows; i += 4)
    for (let j = 0; j < evenColumns; j += 4) fillTile(a, i * k, b, j * k, k, result, i * n + j, n);
  for (let i = 0; i < m; i++)
    for (let j = i < evenRows ? evenColumns : 0; j < n; j++) {
      let sum = 0;
      for (let p = 0; p < k; p++) sum += a[i * k + p]! * b[j * k + p]!;
      result[i * n + j] = sum;
    }
}

function fillTile(
  a: Float64Array,
  a0: number,
  b: Float64Array,
  b0: number,
  k: number,
  result: Float64Array,
  offset: number,
  stride: number,
): void {
  for (let row = 0; row < 4; row++) {
    const from = a0 + row * k;
    let s0 = 0;
    let s1 = 0;
    let s2 = 0;
    let s3 = 0;
    for (let p = 0; p < k; p++) {
      const x = a[from + p]!;
      s0 += x * b[b0 + p]!;
      s1 += x * b[b0 + k + p]!;
      s2 += x * b[b0 + 2 * k + p]!;
      s3 += x * b[b0 + 3 * k + p]!;
    }
    const at = offset + row * stride;
    result[at] = s0;
    result[at + 1] = s1;
    result[at + 2] = s2;
    result[at + 3] = s3;
  }
}
