import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { GraphBuilder } from '#services/inference/graph/builder.js';
import {
  add,
  concat,
  gather,
  matMul,
  reshape,
  rmsNorm,
  split,
  transpose,
} from '#services/inference/graph/ops.js';

describe('operators', () => {
  const build = () => {
    const g = new GraphBuilder();
    return { g, x: g.input('x', 'float32', ['batch', 'tokens', 12]) };
  };

  it('know the shape of what they return, symbolic sizes included', () => {
    const { g, x } = build();
    const w = g.floats(new Float32Array(60), [5, 12]);
    assert.deepEqual(matMul(g, x, w, { transposeB: true }).shape, ['batch', 'tokens', 5]);
    assert.deepEqual(add(g, x, g.floats(new Float32Array(12), [12])).shape, ['batch', 'tokens', 12]);
    const heads = transpose(g, reshape(g, x, ['batch', 'tokens', 3, 4]), [0, 2, 1, 3]);
    assert.deepEqual(heads.shape, ['batch', 3, 'tokens', 4]);
    assert.deepEqual(concat(g, [x, x], 2, 24).shape, ['batch', 'tokens', 24]);
    const pieces = split(g, x, { axis: 2, sizes: [5, 7], lengths: g.integers([5, 7]) });
    assert.deepEqual(
      pieces.map(({ shape }) => shape[2]),
      [5, 7],
    );
    assert.deepEqual(gather(g, w, g.input('ids', 'int32', ['batch', 'tokens'])).shape, [
      'batch',
      'tokens',
      12,
    ]);
  });

  it('reshape with 0 for a size that keeps its place and one -1 for a size that is inferred', () => {
    const { g, x } = build();
    reshape(g, x, ['batch', 3, 'other', 4]);
    const target = g.initializers.at(-1)!;
    assert.deepEqual(target.data, BigInt64Array.of(0n, 3n, -1n, 4n));
  });

  it('refuse shapes that do not fit, naming both', () => {
    const { g, x } = build();
    const w = g.floats(new Float32Array(12), [12, 1]);
    assert.throws(
      () => matMul(g, x, w, { transposeB: true }),
      /cannot multiply x \[batch, tokens, 12\] and .* \[12, 1\]/,
    );
    const four = g.floats(new Float32Array(4), [4]);
    assert.throws(() => add(g, x, four), /cannot broadcast x \[batch, tokens, 12\] and .* \[4\]/);
    assert.throws(() => rmsNorm(g, x, four, 1e-6), /a norm's weight .* \[4\] fits x/);
    assert.throws(
      () => reshape(g, x, ['a', 'b', 12]),
      /cannot infer x \[a, b, 12\] from x \[batch, tokens, 12\]/,
    );
  });
});

describe('a graph builder', () => {
  it('holds equal integers and one stored tensor once', () => {
    const g = new GraphBuilder();
    assert.equal(g.integers([0, -1]), g.integers([0, -1]));
    assert.notEqual(g.integers([1]), g.indices([1], [1]));
    const tensor = { shape: [2, 2], location: 'w', offset: 0, bytes: 16 };
    assert.equal(g.weight(tensor), g.weight(tensor));
    // [0, −1], int64 [1], int32 [1] and the tensor.
    assert.equal(g.initializers.length, 4);
  });
});
