import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createOnnxGemm } from '#services/inference/runtime/gemm-onnx.js';
import { wasmGemm } from '#services/inference/svd/gemm-wasm.js';
import { thinSvd } from '#services/inference/svd/thin-svd.js';
import { MATRIX_KINDS, randomMatrix, seededUniform } from '../../support/random-matrices.js';
import { measureSvd } from '../../support/svd-measures.js';

const CASES = 560;
/** Every eighth case is wider or taller than 256. */
const LARGE_EVERY = 8;
const KINDS = Object.keys(MATRIX_KINDS);
const BACK_ENDS = [createOnnxGemm(), wasmGemm()];

/** Shape, kind and back end of case `index`: both orientations, all kinds with both back ends. */
function plan(index: number) {
  const uniform = seededUniform(1000 + index);
  const upTo = (limit: number) => 1 + Math.floor(uniform() * limit);
  const large = index % LARGE_EVERY === 0;
  const short = large ? upTo(index % 64 === 0 ? 280 : 130) : upTo(90);
  const long = large ? Math.max(short, 256 + upTo(160)) : short + upTo(60) - 1;
  const wide = uniform() < 0.5;
  const [rows, columns] = wide ? [short, long] : [long, short];
  return {
    rows,
    columns,
    kind: KINDS[(index + Math.floor(index / LARGE_EVERY)) % KINDS.length]!,
    gemm: BACK_ENDS[Math.floor(index / KINDS.length) % 2]!,
  };
}

test(`${CASES} random matrices of every kind decompose to rounding, by products written in the test`, async (t) => {
  let over256 = 0;
  let worst = { residual: 0, short: 0, long: 0 };
  for (let index = 0; index < CASES; index++) {
    const { rows, columns, kind, gemm } = plan(index);
    if (Math.max(rows, columns) > 256) over256++;
    const matrix = randomMatrix(kind, rows, columns, index);
    const faults: string[] = [];
    const svd = await thinSvd(matrix, rows, columns, { gemm, log: (line) => faults.push(line) });
    const measures = measureSvd(matrix, rows, columns, svd);
    const what = `case ${index}: ${kind} ${rows}×${columns} on ${gemm.name}`;
    assert.deepEqual(faults, [], what);
    assert.ok(measures.residual < 1e-11, `${what}: residual ${measures.residual}`);
    // The factor of the short side comes from an eigensolver, the other one from W itself.
    const [short, long] = rows <= columns ? [measures.u, measures.v] : [measures.v, measures.u];
    assert.ok(short < 1e-12, `${what}: short side off orthonormal by ${short}`);
    assert.ok(long < 1e-9, `${what}: long side off orthonormal by ${long}`);
    assert.ok(!(measures.rise > 0) && measures.smallest >= 0, `${what}: σ falls and is not negative`);
    assert.equal(measures.wrongSigns, 0, what);
    worst = {
      residual: Math.max(worst.residual, measures.residual),
      short: Math.max(worst.short, short),
      long: Math.max(worst.long, long),
    };
  }
  assert.ok(over256 >= 50, `${over256} matrices wider than 256`);
  t.diagnostic(`worst of ${CASES} (${over256} wider than 256): ${JSON.stringify(worst)}`);
});
