import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { differentiate } from '#services/inference/graph/autodiff.js';
import { RULES } from '#services/inference/graph/autodiff-rules.js';
import { negate } from '#services/inference/graph/backward-ops.js';
import { GraphBuilder, type Value } from '#services/inference/graph/builder.js';
import * as ops from '#services/inference/graph/ops.js';
import { type Array64, evaluateGraph } from '../../support/evaluate-graph.js';
import { randomNumbers } from '../../support/random-numbers.js';

/** A function of inputs, as nodes. */
interface Case {
  readonly op: string;
  readonly what: string;
  /** Shapes of what is differentiated by; the sizes of symbolic dimensions are in SIZES. */
  readonly shapes: readonly (readonly (number | string)[])[];
  /** Shapes and ranges of integer inputs. */
  readonly indices?: readonly { readonly shape: readonly (number | string)[]; readonly below: number }[];
  build(g: GraphBuilder, x: readonly Value[], indices: readonly Value[]): readonly Value[];
}

const SIZES: Readonly<Record<string, number>> = { batch: 2, tokens: 3, rows: 6, groupTokens: 6 };
const constant = (g: GraphBuilder, shape: readonly number[]): Value => {
  const length = shape.reduce((product, dim) => product * dim, 1);
  return g.floats(Float32Array.from(randomNumbers(length, 99)), shape);
};

const CASES: readonly Case[] = [
  {
    op: 'Add',
    what: 'with a broadcast row',
    shapes: [['batch', 'tokens', 4], [4]],
    build: (g, [a, b]) => [ops.add(g, a!, b!)],
  },
  {
    op: 'Add',
    what: 'of a value to itself',
    shapes: [['batch', 4]],
    build: (g, [a]) => [ops.add(g, a!, a!)],
  },
  {
    op: 'Sub',
    what: 'with a size of 1 on either side',
    shapes: [
      ['batch', 1, 4],
      [1, 'tokens', 4],
    ],
    build: (g, [a, b]) => [ops.subtract(g, a!, b!)],
  },
  {
    op: 'Mul',
    what: 'by a spectrum of each row',
    shapes: [
      ['batch', 'tokens', 4],
      ['batch', 1, 4],
    ],
    build: (g, [a, b]) => [ops.multiply(g, a!, b!)],
  },
  {
    op: 'Mul',
    what: 'of a value by itself',
    shapes: [['batch', 4]],
    build: (g, [a]) => [ops.multiply(g, a!, a!)],
  },
  { op: 'Neg', what: 'of a matrix', shapes: [['batch', 4]], build: (g, [a]) => [negate(g, a!)] },
  { op: 'Exp', what: 'of a matrix', shapes: [['batch', 4]], build: (g, [a]) => [ops.exp(g, a!)] },
  { op: 'Sigmoid', what: 'of a matrix', shapes: [['batch', 4]], build: (g, [a]) => [ops.sigmoid(g, a!)] },
  {
    op: 'Softmax',
    what: 'over rows',
    shapes: [['batch', 'tokens', 5]],
    build: (g, [a]) => [ops.softmax(g, a!)],
  },
  {
    op: 'LogSoftmax',
    what: 'over rows',
    shapes: [['batch', 'tokens', 5]],
    build: (g, [a]) => [ops.logSoftmax(g, a!)],
  },
  {
    op: 'ReduceSum',
    what: 'over the last axis',
    shapes: [['batch', 'tokens', 5]],
    build: (g, [a]) => [ops.sumLast(g, a!)],
  },
  {
    op: 'MatMul',
    what: 'by a weight',
    shapes: [['batch', 'tokens', 4]],
    build: (g, [a]) => [ops.matMul(g, a!, constant(g, [4, 3]))],
  },
  {
    op: 'MatMul',
    what: 'of two batches',
    shapes: [
      ['batch', 3, 'tokens', 4],
      ['batch', 3, 4, 5],
    ],
    build: (g, [a, b]) => [ops.matMul(g, a!, b!)],
  },
  {
    op: 'FusedMatMul',
    what: 'by a transposed weight',
    shapes: [['batch', 'tokens', 4]],
    build: (g, [a]) => [ops.matMul(g, a!, constant(g, [3, 4]), { transposeB: true })],
  },
  {
    op: 'FusedMatMul',
    what: 'of two batches, transposed and scaled',
    shapes: [
      ['batch', 2, 'groupTokens', 4],
      ['batch', 2, 'tokens', 4],
    ],
    build: (g, [a, b]) => [ops.matMul(g, a!, b!, { transposeB: true, scale: 0.37 })],
  },
  {
    op: 'FusedMatMul',
    what: 'scaled alone',
    shapes: [
      ['batch', 'tokens', 4],
      ['batch', 4, 2],
    ],
    build: (g, [a, b]) => [ops.matMul(g, a!, b!, { scale: -1.5 })],
  },
  {
    op: 'SimplifiedLayerNormalization',
    what: 'with a large ε',
    shapes: [['batch', 'tokens', 6]],
    build: (g, [a]) => [ops.rmsNorm(g, a!, constant(g, [6]), 0.1)],
  },
  {
    op: 'SimplifiedLayerNormalization',
    what: 'of heads',
    shapes: [['batch', 2, 'tokens', 4]],
    build: (g, [a]) => [ops.rmsNorm(g, a!, constant(g, [4]), 1e-6)],
  },
  {
    op: 'RotaryEmbedding',
    what: 'at any positions',
    shapes: [['batch', 2, 'tokens', 16]],
    indices: [{ shape: ['batch', 'tokens'], below: 7 }],
    build: (g, [a], [positions]) => {
      const angles = randomNumbers(7 * 8, 5);
      const [cos, sin] = [Math.cos, Math.sin].map((of) => g.floats(Float32Array.from(angles, of), [7, 8]));
      const at = ops.cast(g, positions!, 'int64');
      return [ops.rotary(g, a!, { positions: at, cos: cos!, sin: sin! })];
    },
  },
  {
    op: 'Reshape',
    what: 'into heads and out of a flat form',
    shapes: [['batch', 'tokens', 6]],
    build: (g, [a]) => [
      ops.reshape(g, ops.reshape(g, a!, ['batch', 'tokens', 2, 3]), ['batch', 'tokens', 6]),
    ],
  },
  {
    op: 'Reshape',
    what: 'over two symbolic sizes',
    shapes: [['batch', 'tokens', 6]],
    build: (g, [a]) => [ops.multiply(g, ops.reshape(g, a!, ['rows', 6]), constant(g, [6]))],
  },
  {
    op: 'Transpose',
    what: 'of four axes',
    shapes: [['batch', 'tokens', 2, 3]],
    build: (g, [a]) => [
      ops.multiply(
        g,
        ops.transpose(g, a!, [0, 2, 3, 1]),
        g.input('weights', 'float32', ['batch', 2, 3, 'tokens']),
      ),
    ],
  },
  {
    op: 'Split',
    what: 'into pieces that are used differently',
    shapes: [['batch', 1, 5]],
    build: (g, [a]) => {
      const [left, right] = ops.split(g, a!, { axis: 2, sizes: [2, 3], lengths: g.integers([2, 3]) });
      return [ops.exp(g, left!), ops.sigmoid(g, right!)];
    },
  },
  {
    op: 'Concat',
    what: 'of two values',
    shapes: [
      ['batch', 2],
      ['batch', 3],
    ],
    build: (g, [a, b]) => [ops.exp(g, ops.concat(g, [a!, b!], 1, 5))],
  },
  {
    op: 'Gather',
    what: 'of rows, some of them twice',
    shapes: [['rows', 4]],
    indices: [{ shape: [5], below: 3 }],
    build: (g, [a], [rows]) => [ops.exp(g, ops.gather(g, a!, rows!))],
  },
  {
    op: 'GatherElements',
    what: 'of one entry a row',
    shapes: [['batch', 5]],
    indices: [{ shape: ['batch', 1], below: 5 }],
    build: (g, [a], [picks]) => [ops.exp(g, ops.pickLast(g, a!, picks!))],
  },
];

const sizesOf = (shape: readonly (number | string)[]): number[] =>
  shape.map((dim) => (typeof dim === 'number' ? dim : SIZES[dim]!));
const arrayOf = (shape: readonly (number | string)[], seed: number): Array64 => {
  const sizes = sizesOf(shape);
  return {
    shape: sizes,
    data: randomNumbers(
      sizes.reduce((a, b) => a * b, 1),
      seed,
    ),
  };
};

/** Builds a case with its gradient, and values for all inputs. */
function prepare({ shapes, indices = [], build }: Case) {
  const g = new GraphBuilder();
  const x = shapes.map((shape, i) => g.input(`x${i}`, 'float32', shape));
  const picks = indices.map(({ shape }, i) => g.input(`i${i}`, 'int32', shape));
  const results = build(g, x, picks);
  const seeds = new Map(results.map((one, i) => [one, g.input(`seed${i}`, 'float32', one.shape)]));
  const gradients = differentiate(g, seeds, x);
  const inputs: Record<string, Array64> = {};
  for (const [i, { name, shape, type }] of g.inputs.entries()) {
    const { below } = indices[Number(name.slice(1))] ?? { below: 1 };
    const array = arrayOf(shape, i + 1);
    inputs[name] =
      type === 'int32'
        ? { ...array, data: array.data.map((v) => Math.floor(Math.abs(v) * 1e6) % below) }
        : array;
  }
  return { g, x, results, seeds, gradients, inputs };
}

describe('the gradient of', () => {
  for (const one of CASES) {
    it(`${one.op} ${one.what} is what central differences say`, () => {
      const { g, x, results, seeds, gradients, inputs } = prepare(one);
      /** Σ seed · result: what is differentiated. */
      const total = (given: Record<string, Array64>): number => {
        const values = evaluateGraph(g, given);
        return results.reduce((sum, result) => {
          const seed = inputs[seeds.get(result)!.name]!;
          return values.get(result.name)!.data.reduce((all, y, i) => all + y * seed.data[i]!, sum);
        }, 0);
      };
      const values = evaluateGraph(g, inputs);
      x.forEach(({ name }, which) => {
        const analytic = values.get(gradients[which]!.name)!;
        const at = inputs[name]!;
        assert.deepEqual(analytic.shape, at.shape);
        for (let i = 0; i < at.data.length; i++) {
          const moved = (by: number) => ({
            ...inputs,
            [name]: { ...at, data: at.data.with(i, at.data[i]! + by) },
          });
          const numeric = (total(moved(1e-5)) - total(moved(-1e-5))) / 2e-5;
          assert.ok(
            Math.abs(numeric - analytic.data[i]!) < 1e-8 * Math.max(1, Math.abs(numeric)),
            `${name}[${i}]: ${analytic.data[i]}, differences say ${numeric}`,
          );
        }
      });
    });
  }

  it('every operator that has a rule is checked here', () => {
    assert.deepEqual([...new Set(CASES.map(({ op }) => op))].sort(), Object.keys(RULES).sort());
    for (const one of CASES) {
      const { g } = prepare(one);
      assert.ok(
        g.nodes.some(({ op }) => op === one.op),
        `the case ${one.what} has a ${one.op}`,
      );
    }
  });

  it('a branch that depends on no source adds no node', () => {
    const g = new GraphBuilder();
    const [x, c] = [g.input('x', 'float32', ['batch', 4]), g.input('c', 'float32', ['batch', 4])];
    const y = ops.multiply(g, x, ops.exp(g, ops.sigmoid(g, c)));
    const before = g.nodes.length;
    differentiate(g, new Map([[y, g.input('seed', 'float32', y.shape)]]), [x]);
    assert.deepEqual(
      g.nodes.slice(before).map(({ op }) => op),
      ['Mul'],
    );
  });

  it('an operator without a rule is our own fault, told by its name', () => {
    const g = new GraphBuilder();
    const x = g.input('x', 'float32', ['batch', 4]);
    const y = ops.maxLast(g, x);
    assert.throws(
      () => differentiate(g, new Map([[y, g.input('seed', 'float32', y.shape)]]), [x]),
      /ReduceMax can be differentiated/,
    );
  });
});
