import assert from 'node:assert/strict';
import type { GraphBuilder, Value } from './builder.js';
import { cast, multiply, reshape } from './ops.js';

/** The operators that only gradients need, in the manner of `ops.ts`. */

/** −x. */
export function negate(g: GraphBuilder, x: Value): Value {
  return unary(g, 'Neg', x);
}

/** 1 / √(mean(x²) + ε) over the last axis, which stays with size 1. */
export function inverseRms(g: GraphBuilder, x: Value, epsilon: number): Value {
  const mean = meanLast(g, multiply(g, x, x));
  const shifted = one(g.node('Add', { inputs: [mean, scalar(g, epsilon)], outputs: [mean] }));
  return unary(g, 'Reciprocal', unary(g, 'Sqrt', shifted));
}

/** Mean over the last axis, which stays with size 1. */
export function meanLast(g: GraphBuilder, x: Value): Value {
  const outputs = [{ type: x.type, shape: x.shape.with(-1, 1) }];
  return one(
    g.node('ReduceMean', { inputs: [x, g.integers([-1])], outputs, attributes: { keepdims: { int: 1 } } }),
  );
}

/** 1 − x. */
export function oneMinus(g: GraphBuilder, x: Value): Value {
  return one(g.node('Sub', { inputs: [scalar(g, 1), x], outputs: [x] }));
}

/**
 * Undoes a broadcast: sums x over the axes along which a value of `like`'s shape was repeated to x's. What is left has
 * `like`'s shape.
 */
export function sumTo(g: GraphBuilder, x: Value, like: Value): Value {
  const extra = x.shape.length - like.shape.length;
  const axes = x.shape.flatMap((size, axis) =>
    axis < extra || (like.shape[axis - extra] === 1 && size !== 1) ? [axis] : [],
  );
  if (axes.length === 0) return x;
  const kept = x.shape.map((size, axis) => (axes.includes(axis) ? 1 : size));
  const [summed] = g.node('ReduceSum', {
    inputs: [x, g.integers(axes)],
    outputs: [{ type: x.type, shape: kept }],
    attributes: { keepdims: { int: 1 } },
  });
  assert.ok(summed);
  return extra === 0 ? summed : reshapeLike(g, summed, like);
}

/** x under `like`'s shape, whatever its sizes turn out to be. */
export function reshapeLike(g: GraphBuilder, x: Value, like: Value): Value {
  const inferred = like.shape.filter(
    (size, axis) => typeof size !== 'number' && x.shape[axis] !== size,
  ).length;
  if (inferred <= 1) return reshape(g, x, like.shape);
  return one(
    g.node('Reshape', { inputs: [x, shapeOfAll(g, like)], outputs: [{ type: x.type, shape: like.shape }] }),
  );
}

/** Rows added up where they belong: zeros of `like`'s shape, plus row i of `rows` at its row `indices[i]`. */
export function scatterAddRows(g: GraphBuilder, rows: Value, indices: Value, like: Value): Value {
  const zeros = one(g.node('ConstantOfShape', { inputs: [shapeOfAll(g, like)], outputs: [like] }));
  const at = reshape(g, cast(g, indices, 'int64'), [...indices.shape, 1]);
  return one(
    g.node('ScatterND', {
      inputs: [zeros, at, rows],
      outputs: [like],
      attributes: { reduction: { string: 'add' } },
    }),
  );
}

/** Zeros of `like`'s shape with `values` [..., 1] at `indices` [..., 1] along the last axis. */
export function scatterLast(g: GraphBuilder, values: Value, indices: Value, like: Value): Value {
  assert.ok(
    indices.shape.at(-1) === 1 && values.shape.at(-1) === 1,
    'one value a row, so that none is added to another',
  );
  const zeros = one(g.node('ConstantOfShape', { inputs: [shapeOfAll(g, like)], outputs: [like] }));
  const attributes = { axis: { int: -1 } };
  return one(g.node('ScatterElements', { inputs: [zeros, indices, values], outputs: [like], attributes }));
}

function shapeOfAll(g: GraphBuilder, x: Value): Value {
  const outputs = [{ type: 'int64' as const, shape: [x.shape.length] }];
  return one(g.node('Shape', { inputs: [x], outputs }));
}

function scalar(g: GraphBuilder, value: number): Value {
  return g.floats(Float32Array.of(value), []);
}

function unary(g: GraphBuilder, op: string, x: Value): Value {
  return one(g.node(op, { inputs: [x], outputs: [x] }));
}

function one(outputs: readonly Value[]): Value {
  const [value] = outputs;
  assert.ok(value, 'a node has an output');
  return value;
}
