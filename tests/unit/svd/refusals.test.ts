import assert from 'node:assert/strict';
import { test } from 'node:test';
import { gemmJs } from '#services/inference/svd/gemm-js.js';
import { thinSvd } from '#services/inference/svd/thin-svd.js';

const refusals: [string, Float32Array | Float64Array, number, number, RegExp][] = [
  ['NaN', Float32Array.of(1, 2, 3, 4, Number.NaN, 6), 2, 3, /holds NaN at row 1, column 1$/],
  ['an infinity', Float64Array.of(1, Number.NEGATIVE_INFINITY), 2, 1, /holds -Infinity at row 1, column 0$/],
  ['too few numbers', Float32Array.of(1, 2, 3), 2, 2, /^a 2×2 matrix has 4 entries, and 3 were given$/],
  ['no rows', new Float32Array(0), 0, 3, /^rows must be a whole number ≥ 1, and is 0$/],
  ['half a column', new Float32Array(3), 2, 1.5, /^columns must be a whole number ≥ 1, and is 1.5$/],
];

for (const [what, matrix, rows, columns, message] of refusals)
  test(`a matrix with ${what} is refused`, async () => {
    await assert.rejects(thinSvd(matrix, rows, columns, { gemm: gemmJs }), {
      name: 'ZmeshError',
      code: 'INVALID_ARGUMENT',
      reason: 'INVALID_FIELD',
      message,
    });
  });
