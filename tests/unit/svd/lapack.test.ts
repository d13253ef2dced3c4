import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createOnnxGemm } from '#services/inference/runtime/gemm-onnx.js';
import { gemmJs } from '#services/inference/svd/gemm-js.js';
import { wasmGemm } from '#services/inference/svd/gemm-wasm.js';
import { thinSvd } from '#services/inference/svd/thin-svd.js';
import { type GoldenTensor, readGoldenTensors } from '../../support/read-safetensors.js';
import { measureSvd } from '../../support/svd-measures.js';

const goldens = readGoldenTensors('tests/golden/svd.safetensors');
const cases = [...new Set([...goldens.keys()].map((name) => name.split('/')[0]!))];

/** A singular vector is compared where its σ is this far from its neighbours, relative to σ₁. */
const SEPARATION = 1e-4;

test('the goldens hold the twelve cases', () => {
  assert.deepEqual(cases.toSorted(), [
    'duplicate_rows',
    'graded',
    'huge',
    'one_column',
    'one_row',
    'rank_deficient',
    'repeated',
    'square',
    'tall',
    'tiny',
    'wide',
    'zero',
  ]);
});

for (const gemm of [createOnnxGemm(), wasmGemm(), gemmJs])
  for (const name of cases)
    test(`${name} agrees with LAPACK on ${gemm.name}`, async () => {
      const [matrix, u, s, vt] = ['matrix', 'u', 's', 'vt'].map((part) => goldens.get(`${name}/${part}`)) as [
        GoldenTensor,
        GoldenTensor,
        GoldenTensor,
        GoldenTensor,
      ];
      const [rows, columns] = matrix.shape as [number, number];
      const svd = await thinSvd(matrix.data, rows, columns, { gemm });
      assert.equal(svd.rank, s.data.length);

      const first = s.data[0]!;
      for (let i = 0; i < svd.rank; i++) {
        const error = Math.abs(svd.sigma[i]! - s.data[i]!);
        assert.ok(error <= 1e-12 * first, `σ[${i}] is ${svd.sigma[i]}, LAPACK's ${s.data[i]}`);
      }
      const measures = measureSvd(matrix.data, rows, columns, svd);
      assert.ok(measures.residual < 1e-11, `residual ${measures.residual}`);
      assert.ok(measures.u < 1e-9 && measures.v < 1e-9, `orthogonality ${measures.u}, ${measures.v}`);
      assert.ok(measures.rise <= 0 && measures.smallest >= 0, 'σ falls and is not negative');
      assert.equal(measures.wrongSigns, 0);

      let compared = 0;
      for (let i = 0; i < svd.rank; i++) {
        const gaps = [i - 1, i + 1].map((j) =>
          Math.abs((s.data[j] ?? Number.POSITIVE_INFINITY) - s.data[i]!),
        );
        const gap = Math.min(s.data[i]!, ...gaps) / first;
        if (!(gap > SEPARATION)) continue;
        compared++;
        // Rounding of the size of ε·σ₁ turns a vector by about ε / gap.
        const limit = 1e-13 / gap + 1e-12;
        for (let row = 0; row < rows; row++)
          near(svd.u[row * svd.rank + i]!, u.data[row * svd.rank + i]!, limit, `u[${row}, ${i}]`);
        for (let j = 0; j < columns; j++)
          near(svd.vt[i * columns + j]!, vt.data[i * columns + j]!, limit, `vt[${i}, ${j}]`);
      }
      const unique = name === 'zero' || name === 'repeated' ? 0 : 1;
      assert.ok(compared >= unique, `${compared} vectors compared`);
    });

function near(value: number, expected: number, limit: number, what: string): void {
  assert.ok(Math.abs(value - expected) <= limit, `${what} is ${value}, LAPACK's ${expected}`);
}
