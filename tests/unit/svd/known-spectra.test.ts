import assert from 'node:assert/strict';
import { test } from 'node:test';
import { wasmGemm } from '#services/inference/svd/gemm-wasm.js';
import { symmetricEigen } from '#services/inference/svd/symmetric-eigen.js';
import { thinSvd } from '#services/inference/svd/thin-svd.js';

test('eigenvalues of the second difference matrix are 2 − 2·cos(kπ/(n + 1))', async () => {
  for (const n of [1, 2, 3, 47, 49, 65, 131, 300]) {
    const matrix = new Float64Array(n * n);
    for (let i = 0; i < n; i++)
      for (let j = 0; j < n; j++) matrix[i * n + j] = i === j ? 2 : Math.abs(i - j) === 1 ? -1 : 0;
    const { values } = await symmetricEigen(matrix, n, wasmGemm());
    for (let k = 1; k <= n; k++) {
      const expected = 2 - 2 * Math.cos((k * Math.PI) / (n + 1));
      assert.ok(Math.abs(values[k - 1]! - expected) < 1e-13 * 4, `n = ${n}, k = ${k}: ${values[k - 1]}`);
    }
  }
});

test('singular values of the triangle of ones are 1 / (2·sin((2k − 1)π / (4n + 2)))', async () => {
  const n = 200;
  const matrix = new Float64Array(n * n);
  for (let i = 0; i < n; i++) matrix.fill(1, i * n, i * n + i + 1);
  const { sigma } = await thinSvd(matrix, n, n, { gemm: wasmGemm() });
  for (let k = 1; k <= n; k++) {
    const expected = 1 / (2 * Math.sin(((2 * k - 1) * Math.PI) / (4 * n + 2)));
    assert.ok(Math.abs(sigma[k - 1]! - expected) < 1e-13 * sigma[0]!, `k = ${k}: ${sigma[k - 1]}`);
  }
});

test('eigenvalues of copies of one Wilkinson matrix, barely coupled, come in clusters with orthogonal vectors', async () => {
  const [order, copies] = [21, 8];
  const n = order * copies;
  const matrix = new Float64Array(n * n);
  for (let i = 0; i < n; i++) {
    matrix[i * n + i] = Math.abs((i % order) - (order - 1) / 2);
    if (i + 1 < n) {
      const coupling = (i + 1) % order === 0 ? 1e-8 : 1;
      matrix[i * n + i + 1] = matrix[(i + 1) * n + i] = coupling;
    }
  }
  const { values, vectors } = await symmetricEigen(matrix, n, wasmGemm());
  // The largest eigenvalue of W21⁺ (Wilkinson, The algebraic eigenvalue problem): a pair in each copy.
  for (let i = n - 2 * copies; i < n; i++) assert.ok(Math.abs(values[i]! - 10.746194182903) < 1e-7);
  for (let i = 0; i < n; i++)
    for (let j = 0; j < n; j++) {
      let dot = 0;
      let image = 0;
      for (let k = 0; k < n; k++) {
        dot += vectors[k * n + i]! * vectors[k * n + j]!;
        image += matrix[i * n + k]! * vectors[k * n + j]!;
      }
      assert.ok(Math.abs(dot - (i === j ? 1 : 0)) < 1e-13, `vectors ${i} and ${j}: ${dot}`);
      assert.ok(Math.abs(image - values[j]! * vectors[i * n + j]!) < 1e-13, `residual at ${i}, ${j}`);
    }
});

test('f64 input far outside of f32 range keeps its digits', async () => {
  for (const exponent of [-1000, -700, 700, 1000]) {
    const scale = 2 ** exponent;
    const { sigma } = await thinSvd(Float64Array.of(3 * scale, 0, 0, -4 * scale), 2, 2, { gemm: wasmGemm() });
    assert.deepEqual([...sigma], [4 * scale, 3 * scale]);
  }
});
