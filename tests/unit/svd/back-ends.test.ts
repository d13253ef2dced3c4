import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createOnnxGemm } from '#services/inference/runtime/gemm-onnx.js';
import type { Gemm, Product } from '#services/inference/svd/gemm.js';
import { gemmJs } from '#services/inference/svd/gemm-js.js';
import { wasmGemm } from '#services/inference/svd/gemm-wasm.js';
import { thinSvd } from '#services/inference/svd/thin-svd.js';
import { randomMatrix, seededUniform } from '../../support/random-matrices.js';

const BACK_ENDS: readonly Gemm[] = [createOnnxGemm(), wasmGemm(), gemmJs];

/** Edges of tiles and of cache blocks, and one side beyond each block. */
const SHAPES = [
  [1, 1, 1],
  [3, 5, 2],
  [4, 4, 256],
  [5, 9, 257],
  [129, 6, 33],
  [2, 515, 70],
  [130, 40, 300],
  [2051, 5, 7],
] as const;

for (const gemm of BACK_ENDS)
  test(`${gemm.name}: products of every shape, transposed or not, with and without minuend, equal plain sums`, async () => {
    const uniform = seededUniform(5);
    const random = (length: number) => Float64Array.from({ length }, () => uniform() - 0.5);
    for (const [m, n, k] of SHAPES)
      for (let flags = 0; flags < 16; flags++) {
        const product: Product = {
          m,
          n,
          k,
          a: random(m * k),
          b: random(k * n),
          transposeA: (flags & 1) !== 0,
          transposeB: (flags & 2) !== 0,
          ...((flags & 4) !== 0 ? { minuend: random(m * n) } : {}),
          // What is in the target before must not matter.
          ...((flags & 8) !== 0 ? { into: new Float64Array(m * n).fill(7) } : {}),
        };
        const result = await gemm.multiply(product);
        assert.equal(result.length, m * n);
        if (product.into) assert.equal(result, product.into);
        assertProduct(result, product);
      }
  });

test('the same matrix gives the same factors on every back end', async () => {
  for (const [rows, columns] of [
    [150, 220],
    [220, 150],
  ] as const) {
    const matrix = randomMatrix('weights-like', rows, columns, 3);
    const [first, ...others] = await Promise.all(
      BACK_ENDS.map((gemm) => thinSvd(matrix, rows, columns, { gemm })),
    );
    for (const other of others)
      for (const part of ['u', 'sigma', 'vt'] as const)
        other[part].forEach((value, i) => {
          assert.ok(Math.abs(value - first![part][i]!) < 1e-9, `${part}[${i}]: ${value}, ${first![part][i]}`);
        });
  }
});

test('decompositions that run at the same time do not disturb each other', async () => {
  const gemm = createOnnxGemm();
  const jobs = [90, 130, 70, 200].map((rows) => ({ rows, matrix: randomMatrix('gauss', rows, 210, rows) }));
  const alone = [];
  for (const { rows, matrix } of jobs) alone.push(await thinSvd(matrix, rows, 210, { gemm }));
  const together = await Promise.all(jobs.map(({ rows, matrix }) => thinSvd(matrix, rows, 210, { gemm })));
  assert.deepEqual(together, alone);
});

function assertProduct(result: Float64Array, product: Product): void {
  const { m, n, k, a, b, minuend } = product;
  for (let i = 0; i < m; i++)
    for (let j = 0; j < n; j++) {
      let sum = 0;
      for (let p = 0; p < k; p++)
        sum +=
          a[product.transposeA ? p * m + i : i * k + p]! * b[product.transposeB ? j * k + p : p * n + j]!;
      const expected = minuend ? minuend[i * n + j]! - sum : sum;
      const error = Math.abs(result[i * n + j]! - expected);
      assert.ok(error < 1e-13 * (k + 1), `[${m}, ${n}, ${k}] entry (${i}, ${j}) is off by ${error}`);
    }
}
