import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Gemm } from '#services/inference/svd/gemm.js';
import { gemmJs } from '#services/inference/svd/gemm-js.js';
import { thinSvd } from '#services/inference/svd/thin-svd.js';
import { randomMatrix } from '../../support/random-matrices.js';
import { measureSvd } from '../../support/svd-measures.js';

/** A back end with one wrong entry in products with a long side of exactly 90: 1e-6 off. */
const faulty: Gemm = {
  name: 'ort',
  async multiply(product) {
    const result = await gemmJs.multiply(product);
    if (product.n === 90) result[0] = result[0]! + 1e-6;
    return result;
  },
};

test('a wrong product is noticed, told, and another back end gives the factors', async () => {
  const matrix = randomMatrix('gauss', 70, 90, 1);
  const lines: string[] = [];
  const svd = await thinSvd(matrix, 70, 90, { gemm: faulty, log: (line) => lines.push(line) });
  assert.equal(lines.length, 1);
  assert.match(lines[0]!, /^SVD of a 70×90 matrix failed its check on ort: .* relative, above 1e-10$/);
  assert.ok(measureSvd(matrix, 70, 90, svd).residual < 1e-13);
});

test('short sides below 64 never go to ONNX Runtime', async () => {
  const refusing: Gemm = { name: 'ort', multiply: () => Promise.reject(new Error('called')) };
  const matrix = randomMatrix('gauss', 63, 90, 1);
  const svd = await thinSvd(matrix, 63, 90, { gemm: refusing });
  assert.ok(measureSvd(matrix, 63, 90, svd).residual < 1e-13);
  await assert.rejects(thinSvd(randomMatrix('gauss', 64, 90, 1), 64, 90, { gemm: refusing }), /called/);
});
