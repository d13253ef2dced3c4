import assert from 'node:assert/strict';
import type { Dim, ElementType, GraphBuilder, Value } from './builder.js';

/**
 * The operators that zmesh's graphs are made of, one small function each: it adds one node and computes the result's
 * shape. A shape that cannot be is a bug of ours, hence assertions.
 */

/** a + b, broadcast. */
export function add(g: GraphBuilder, a: Value, b: Value): Value {
  return binary(g, 'Add', a, b);
}

/** a − b, broadcast. */
export function subtract(g: GraphBuilder, a: Value, b: Value): Value {
  return binary(g, 'Sub', a, b);
}

/** a · b element by element, broadcast. */
export function multiply(g: GraphBuilder, a: Value, b: Value): Value {
  return binary(g, 'Mul', a, b);
}

/** eˣ. */
export function exp(g: GraphBuilder, x: Value): Value {
  return unary(g, 'Exp', x);
}

/** Natural logarithm. */
export function log(g: GraphBuilder, x: Value): Value {
  return unary(g, 'Log', x);
}

/** 1 / (1 + e⁻ˣ). */
export function sigmoid(g: GraphBuilder, x: Value): Value {
  return unary(g, 'Sigmoid', x);
}

/** Softmax over the last axis. */
export function softmax(g: GraphBuilder, x: Value): Value {
  return one(g.node('Softmax', { inputs: [x], outputs: [x], attributes: { axis: { int: -1 } } }));
}

/** log softmax over the last axis. */
export function logSoftmax(g: GraphBuilder, x: Value): Value {
  return one(g.node('LogSoftmax', { inputs: [x], outputs: [x], attributes: { axis: { int: -1 } } }));
}

/** Sum over the last axis, which stays with size 1. */
export function sumLast(g: GraphBuilder, x: Value): Value {
  return reduceLast(g, 'ReduceSum', x);
}

/** Largest element along the last axis, which stays with size 1. */
export function maxLast(g: GraphBuilder, x: Value): Value {
  return reduceLast(g, 'ReduceMax', x);
}

/** The same numbers as another type. */
export function cast(g: GraphBuilder, x: Value, type: ElementType): Value {
  const to = { float32: 1, int32: 6, int64: 7 }[type];
  return one(
    g.node('Cast', { inputs: [x], outputs: [{ type, shape: x.shape }], attributes: { to: { int: to } } }),
  );
}

/** How `matMul` reads its operands. */
export interface MatMulOptions {
  /** a is [..., k, m] and used as its transpose; default false. */
  readonly transposeA?: boolean;
  /** b is [..., n, k] and used as its transpose; default false. */
  readonly transposeB?: boolean;
  /** The product is multiplied by this; default 1. */
  readonly scale?: number;
}

/** [..., m, k] × [..., k, n] → [..., m, n]; b may be a plain matrix under any batch. */
export function matMul(g: GraphBuilder, a: Value, b: Value, options: MatMulOptions = {}): Value {
  const { transposeA = false, transposeB = false } = options;
  const [rows, shared] = [a.shape.at(transposeA ? -1 : -2), a.shape.at(transposeA ? -2 : -1)];
  const [inner, columns] = [b.shape.at(transposeB ? -1 : -2), b.shape.at(transposeB ? -2 : -1)];
  assert.ok(
    rows !== undefined && columns !== undefined && inner === shared,
    `cannot multiply ${show(a)} and ${show(b)}`,
  );
  assert.ok(
    b.shape.length === 2 || b.shape.slice(0, -2).join() === a.shape.slice(0, -2).join(),
    `batches differ: ${show(a)} and ${show(b)}`,
  );
  const outputs = [{ type: a.type, shape: [...a.shape.slice(0, -2), rows, columns] }];
  if (!transposeA && !transposeB && options.scale === undefined)
    return one(g.node('MatMul', { inputs: [a, b], outputs }));
  const attributes = {
    transA: { int: transposeA ? 1 : 0 },
    transB: { int: transposeB ? 1 : 0 },
    alpha: { float: options.scale ?? 1 },
  };
  return one(g.node('FusedMatMul', { inputs: [a, b], outputs, attributes, domain: 'com.microsoft' }));
}

/** x / √(mean(x²) + ε) · weight, over the last axis. */
export function rmsNorm(g: GraphBuilder, x: Value, weight: Value, epsilon: number): Value {
  assert.deepEqual(weight.shape, x.shape.slice(-1), `a norm's weight ${show(weight)} fits ${show(x)}`);
  const attributes = { axis: { int: -1 }, epsilon: { float: epsilon } };
  return one(g.node('SimplifiedLayerNormalization', { inputs: [x, weight], outputs: [x], attributes }));
}

/** Tables and positions of `rotary`. */
export interface RotaryInputs {
  /** int64 [batch, tokens]. */
  readonly positions: Value;
  /** [context, headSize / 2]. */
  readonly cos: Value;
  /** [context, headSize / 2]. */
  readonly sin: Value;
}

/** Rotary embedding of x [batch, heads, tokens, headSize]; element i turns with element i + headSize/2. */
export function rotary(g: GraphBuilder, x: Value, inputs: RotaryInputs): Value {
  assert.equal(x.shape.length, 4, `rotary takes [batch, heads, tokens, headSize], not ${show(x)}`);
  return one(
    g.node('RotaryEmbedding', {
      inputs: [x, inputs.positions, inputs.cos, inputs.sin],
      outputs: [x],
      domain: 'com.microsoft',
    }),
  );
}

/** Slices of x along its first axis, chosen by `indices`: [...indices.shape, ...x.shape[1:]]. */
export function gather(g: GraphBuilder, x: Value, indices: Value): Value {
  const shape = [...indices.shape, ...x.shape.slice(1)];
  return one(
    g.node('Gather', {
      inputs: [x, indices],
      outputs: [{ type: x.type, shape }],
      attributes: { axis: { int: 0 } },
    }),
  );
}

/** x[i, indices[i, j]]: one pick per row along the last axis. */
export function pickLast(g: GraphBuilder, x: Value, indices: Value): Value {
  return one(
    g.node('GatherElements', {
      inputs: [x, indices],
      outputs: [{ type: x.type, shape: indices.shape }],
      attributes: { axis: { int: -1 } },
    }),
  );
}

/** The k largest along the last axis, falling; `k` is an int64 [1]. Indices are int64. */
export function topK(g: GraphBuilder, x: Value, k: Value, size: Dim): { values: Value; indices: Value } {
  const shape = [...x.shape.slice(0, -1), size];
  const [values, indices] = g.node('TopK', {
    inputs: [x, k],
    outputs: [
      { type: x.type, shape },
      { type: 'int64', shape },
    ],
    attributes: { axis: { int: -1 } },
  });
  assert.ok(values && indices);
  return { values, indices };
}

/** Axes in another order. */
export function transpose(g: GraphBuilder, x: Value, order: readonly number[]): Value {
  const shape = order.map((axis) => x.shape[axis] ?? assert.fail(`no axis ${axis} in ${show(x)}`));
  return one(
    g.node('Transpose', {
      inputs: [x],
      outputs: [{ type: x.type, shape }],
      attributes: { perm: { ints: order } },
    }),
  );
}

/**
 * The same elements under another shape. A symbolic dimension must stand at the same axis as in x; one more may be
 * left to be inferred.
 */
export function reshape(g: GraphBuilder, x: Value, shape: readonly Dim[]): Value {
  const target = shape.map((size, axis) =>
    typeof size === 'number' ? size : x.shape[axis] === size ? 0 : -1,
  );
  assert.ok(
    target.filter((size) => size === -1).length <= 1,
    `cannot infer ${show({ ...x, shape })} from ${show(x)}`,
  );
  return one(g.node('Reshape', { inputs: [x, g.integers(target)], outputs: [{ type: x.type, shape }] }));
}

/** Values one after the other along `axis`, whose size becomes `size`. */
export function concat(g: GraphBuilder, values: readonly Value[], axis: number, size: Dim): Value {
  const first = values[0];
  assert.ok(first, 'concat takes at least one value');
  const shape = first.shape.with(axis, size);
  return one(
    g.node('Concat', {
      inputs: values,
      outputs: [{ type: first.type, shape }],
      attributes: { axis: { int: axis } },
    }),
  );
}

/** Consecutive pieces of x along `axis`. `lengths` is an int64 vector that holds the sizes at run time. */
export function split(
  g: GraphBuilder,
  x: Value,
  pieces: { readonly axis: number; readonly sizes: readonly Dim[]; readonly lengths: Value },
): Value[] {
  return g.node('Split', {
    inputs: [x, pieces.lengths],
    outputs: pieces.sizes.map((size) => ({ type: x.type, shape: x.shape.with(pieces.axis, size) })),
    attributes: { axis: { int: pieces.axis } },
  });
}

/** The sizes of axes `from`…`to − 1` of x as an int64 vector. */
export function shapeOf(g: GraphBuilder, x: Value, from: number, to: number): Value {
  return one(
    g.node('Shape', {
      inputs: [x],
      outputs: [{ type: 'int64', shape: [to - from] }],
      attributes: { start: { int: from }, end: { int: to } },
    }),
  );
}

function unary(g: GraphBuilder, op: string, x: Value): Value {
  return one(g.node(op, { inputs: [x], outputs: [x] }));
}

function binary(g: GraphBuilder, op: string, a: Value, b: Value): Value {
  assert.equal(a.type, b.type, `${op} takes two values of one type`);
  return one(g.node(op, { inputs: [a, b], outputs: [{ type: a.type, shape: broadcast(a, b) }] }));
}

function reduceLast(g: GraphBuilder, op: string, x: Value): Value {
  const outputs = [{ type: x.type, shape: x.shape.with(-1, 1) }];
  return one(g.node(op, { inputs: [x, g.integers([-1])], outputs, attributes: { keepdims: { int: 1 } } }));
}

function broadcast(a: Value, b: Value): Dim[] {
  const rank = Math.max(a.shape.length, b.shape.length);
  const sizeAt = (value: Value, axis: number): Dim => value.shape[axis - rank + value.shape.length] ?? 1;
  return Array.from({ length: rank }, (_, axis) => {
    const [left, right] = [sizeAt(a, axis), sizeAt(b, axis)];
    assert.ok(left === right || left === 1 || right === 1, `cannot broadcast ${show(a)} and ${show(b)}`);
    return left === 1 ? right : left;
  });
}

function one(outputs: readonly Value[]): Value {
  const [value] = outputs;
  assert.ok(value, 'a node has an output');
  return value;
}

function show(value: Value): string {
  return `${value.name} [${value.shape.join(', ')}]`;
}
