import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { Reason, ZmeshError } from '#shared/errors.js';
import { projectRoot } from '#shared/paths.js';
import { encodeSafetensors } from '#shared/safetensors/safetensors.js';
import { checkVectors, readVectors, writeVectors } from '#shared/svf/vectors.js';

const refused = (reason: Reason, text: RegExp) => (error: ZmeshError) =>
  error.reason === reason && text.test(error.message);
const file = (values: Float32Array, dtype: 'F32' | 'F64' = 'F32', shape = [values.length]): Uint8Array =>
  encodeSafetensors([{ name: 'w', dtype, shape, data: new Uint8Array(values.buffer) }]);

test('what is written is read again, at any alignment', () => {
  const vectors = new Map([
    ['b', Float32Array.of(1, 0, 2.5)],
    ['a', Float32Array.of(7)],
  ]);
  const bytes = writeVectors(vectors);
  const shifted = new Uint8Array(bytes.length + 1);
  shifted.set(bytes, 1);
  assert.deepEqual(readVectors(shifted.subarray(1)), new Map([...vectors].reverse()));
});

test('the embedded experts are read: 12 matrices of rank 192', () => {
  const vectors = readVectors(readFileSync(join(projectRoot, 'models/octo-nano/experts/math.safetensors')));
  assert.equal(vectors.size, 12);
  assert.ok([...vectors.values()].every((vector) => vector.length === 192));
});

test('numbers that are no multipliers are refused with their place', () => {
  assert.throws(
    () => readVectors(file(Float32Array.of(1, Number.NaN))),
    refused('BAD_MULTIPLIER', /multiplier 1 of w is NaN/),
  );
  assert.throws(
    () => readVectors(file(Float32Array.of(Number.POSITIVE_INFINITY))),
    refused('BAD_MULTIPLIER', /is Infinity/),
  );
  assert.throws(
    () => readVectors(file(Float32Array.of(1, 1, -0.5))),
    refused('BAD_MULTIPLIER', /multiplier 2 of w is -0.5/),
  );
});

test('other shapes, dtypes and empty files are refused', () => {
  assert.throws(
    () => readVectors(file(Float32Array.of(1, 1, 1, 1), 'F32', [2, 2])),
    refused('BAD_SAFETENSORS', /w is F32 \[2, 2\]/),
  );
  assert.throws(
    () => readVectors(file(Float32Array.of(1, 1), 'F64', [1])),
    refused('BAD_SAFETENSORS', /w is F64 \[1\]/),
  );
  assert.throws(() => readVectors(encodeSafetensors([])), refused('BAD_SAFETENSORS', /holds no vectors/));
  assert.throws(() => readVectors(new Uint8Array(3)), refused('BAD_SAFETENSORS', /./));
});

test('vectors are checked against the model', () => {
  const vectors = new Map([['w', Float32Array.of(1, 2)]]);
  checkVectors(vectors, new Map([['w', 2]]));
  assert.throws(() => checkVectors(vectors, new Map()), refused('UNKNOWN_MATRIX', /no adapted matrix w/));
  assert.throws(
    () => checkVectors(vectors, new Map([['w', 3]])),
    refused('WRONG_SHAPE', /w has 2 multipliers, its rank is 3/),
  );
});
