import assert from 'node:assert/strict';
import { test } from 'node:test';
import { gemmJs } from '#services/inference/svd/gemm-js.js';
import { applySignRule } from '#services/inference/svd/sign.js';
import { thinSvd } from '#services/inference/svd/thin-svd.js';
import { orthogonalityFaults, reconstructionError } from '#services/inference/svd/verify.js';
import { randomMatrix } from '../../support/random-matrices.js';

const gemm = gemmJs;

test('the error of stored factors is that of rounding to f32, and grows by what is put in', async () => {
  const [rows, columns] = [300, 20];
  const matrix = randomMatrix('gauss', rows, columns, 4);
  const svd = await thinSvd(matrix, rows, columns, { gemm });
  const error = await reconstructionError(matrix, rows, columns, svd, gemm);
  assert.ok(error > 1e-9 && error < 6e-8, `${error}`);
  // σ₁ wrong by 1 % misses 0.01·σ₁ of ‖W‖ = ‖σ‖.
  const wrong = { ...svd, sigma: svd.sigma.with(0, svd.sigma[0]! * 1.01) };
  const expected = (0.01 * svd.sigma[0]!) / Math.hypot(...svd.sigma);
  const measured = await reconstructionError(matrix, rows, columns, wrong, gemm);
  assert.ok(Math.abs(measured - expected) < 1e-6, `${measured}, expected ${expected}`);
});

test('the error of a zero matrix is 0, of a foreign answer to it infinite', async () => {
  const svd = await thinSvd(new Float32Array(12), 3, 4, { gemm });
  assert.equal(await reconstructionError(new Float32Array(12), 3, 4, svd, gemm), 0);
  const wrong = { ...svd, sigma: Float64Array.of(1, 0, 0) };
  assert.equal(await reconstructionError(new Float32Array(12), 3, 4, wrong, gemm), Number.POSITIVE_INFINITY);
});

test('orthogonality faults are those of the factor that has them', async () => {
  const svd = await thinSvd(randomMatrix('gauss', 9, 12, 2), 9, 12, { gemm });
  const good = await orthogonalityFaults(svd, gemm);
  assert.ok(good.u < 1e-14 && good.v < 1e-14);
  const stretched = { ...svd, vt: svd.vt.map((entry) => entry * 1.001) };
  const faults = await orthogonalityFaults(stretched, gemm);
  assert.ok(faults.u < 1e-14 && Math.abs(faults.v - 0.002001) < 1e-9, `${faults.v}`);
  const broken = { ...svd, u: svd.u.with(3, Number.NaN) };
  assert.ok(Number.isNaN((await orthogonalityFaults(broken, gemm)).u));
});

test('of entries of one magnitude, the first decides the sign', () => {
  const factors = {
    u: Float64Array.of(-2, 3, 2, -3),
    vt: Float64Array.of(1, 1, 1, 1),
    sigma: Float64Array.of(1, 1),
  };
  applySignRule(factors);
  assert.deepEqual([...factors.u], [2, 3, -2, -3]);
  assert.deepEqual([...factors.vt], [-1, -1, 1, 1]);
});
