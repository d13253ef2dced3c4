import type { Gemm } from './gemm.js';
import { transpose } from './transpose.js';
import type { ReflectorPanel } from './tridiagonal.js';

/**
 * vectors ← Q·vectors, in place, for the Q of a tridiagonalisation: panel by panel, last first, in the compact WY form
 * H₁…H_b = I − V·T·Vᵀ (Schreiber & Van Loan, 1989), so that all of it is products. `vectors` is [n, n].
 */
export async function backTransform(
  panels: readonly ReflectorPanel[],
  vectors: Float64Array,
  n: number,
  gemm: Gemm,
): Promise<void> {
  const scratch = new Float64Array(n * n);
  for (const panel of panels.toReversed()) {
    const { row, length, width, reflectors } = panel;
    const part = vectors.subarray(row * n, (row + length) * n);
    const factor = await triangularFactor(panel, gemm);
    const b = await gemm.multiply({ m: width, n: length, k: width, a: factor, b: reflectors });
    const inner = await gemm.multiply({ m: width, n, k: length, a: b, b: part });
    const a = transpose(reflectors, width, length);
    const into = scratch.subarray(0, length * n);
    part.set(await gemm.multiply({ m: length, n, k: width, a, b: inner, minuend: part, into }));
  }
}

/** T [width, width], upper triangular. */
async function triangularFactor(
  { length, width, reflectors, tau }: ReflectorPanel,
  gemm: Gemm,
): Promise<Float64Array> {
  const factor = new Float64Array(width * width);
  const dots = await gemm.multiply({
    m: width,
    n: width,
    k: length,
    a: reflectors,
    b: reflectors,
    transposeB: true,
  });
  for (let j = 0; j < width; j++) {
    factor[j * width + j] = tau[j]!;
    for (let i = 0; i < j; i++) {
      let sum = 0;
      for (let k = i; k < j; k++) sum += factor[i * width + k]! * dots[k * width + j]!;
      factor[i * width + j] = -tau[j]! * sum;
    }
  }
  return factor;
}
