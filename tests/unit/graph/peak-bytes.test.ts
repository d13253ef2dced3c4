import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { GraphBuilder } from '#services/inference/graph/builder.js';
import { add, exp, matMul, multiply, reshape } from '#services/inference/graph/ops.js';
import { peakBytes } from '#services/inference/graph/peak-bytes.js';

describe('planned memory', () => {
  it('counts inputs, what is alive, and what is kept for later; not constants, reshapes or what is written over', () => {
    const g = new GraphBuilder();
    const x = g.input('x', 'float32', ['batch', 4]);
    const wide = matMul(g, x, g.floats(new Float32Array(40), [4, 10]));
    const kept = exp(g, wide); // Over `wide`: it dies here.
    const same = reshape(g, kept, ['batch', 10]);
    const narrow = matMul(g, same, g.floats(new Float32Array(20), [10, 2])); // `kept` stays for the next line.
    g.output('y', multiply(g, kept, matMul(g, narrow, g.floats(new Float32Array(20), [2, 10]))));
    // x 16, kept 40, narrow 8, the last product 40; the result goes over one of the two.
    assert.equal(peakBytes(g)({ batch: 3 }), 3 * (16 + 40 + 8 + 40));
  });

  it('finds the peak of every size: which moment it is depends on the sizes', () => {
    const g = new GraphBuilder();
    const [a, b] = [g.input('a', 'float32', ['batch', 1]), g.input('b', 'float32', ['tokens', 1])];
    const large = matMul(
      g,
      matMul(g, a, g.floats(new Float32Array(10), [1, 10])),
      g.floats(new Float32Array(10), [10, 1]),
    );
    const other = matMul(
      g,
      matMul(g, b, g.floats(new Float32Array(10), [1, 10])),
      g.floats(new Float32Array(10), [10, 1]),
    );
    g.output('a2', add(g, large, a));
    g.output('b2', add(g, other, b));
    const peak = peakBytes(g);
    assert.equal(peak({ batch: 100, tokens: 1 }), 4 * (101 + 1000 + 100));
    assert.equal(peak({ batch: 1, tokens: 100 }), 4 * (101 + 1 + 1000 + 100));
  });
});
