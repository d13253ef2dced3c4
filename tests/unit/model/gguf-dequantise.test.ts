import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { BLOCK_TYPES } from '#services/inference/model/gguf/block-types.js';
import { dequantise } from '#services/inference/model/gguf/dequantise.js';
import { projectRoot } from '#shared/paths.js';
import { parseSafetensors } from '#shared/safetensors/safetensors.js';
import { toFloat32 } from '#shared/safetensors/to-float32.js';

const golden = parseSafetensors(
  readFileSync(join(projectRoot, 'tests/golden/gguf/blocks.safetensors')),
).tensors;

for (const type of BLOCK_TYPES.values()) {
  if (type.elements === 1) continue;
  test(`${type.name} blocks give the numbers that the Python gguf package gives`, () => {
    const { data } = golden.get(`${type.name}/blocks`)!;
    const expected = toFloat32(golden.get(`${type.name}/values`)!);
    assert.equal(expected.length, (data.length / type.bytes) * type.elements);
    const values = new Float32Array(expected.length);
    dequantise(type, data, values);
    // Products and sums of f16 and small integers: two roundings in f32 there, one here.
    for (let i = 0; i < values.length; i++) {
      const block = expected.subarray(i - (i % type.elements), i - (i % type.elements) + type.elements);
      const largest = block.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
      assert.ok(
        Math.abs(values[i]! - expected[i]!) <= 3e-7 * largest,
        `${type.name} [${i}]: ${values[i]} against ${expected[i]}`,
      );
    }
  });
}
