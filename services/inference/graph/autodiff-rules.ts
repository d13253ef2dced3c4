import assert from 'node:assert/strict';
import {
  inverseRms,
  meanLast,
  negate,
  oneMinus,
  reshapeLike,
  scatterAddRows,
  scatterLast,
  sumTo,
} from './backward-ops.js';
import type { GraphBuilder, GraphNode, Value } from './builder.js';
import { concat, exp, matMul, multiply, rotary, split, subtract, sumLast, transpose } from './ops.js';

/** A node with what is known of its outputs' gradients. */
export interface Differentiated extends GraphNode {
  /** Gradient of each output; null = nothing that counts depends on it. */
  readonly upstream: readonly (Value | null)[];
  /** Which inputs' gradients are wanted. */
  readonly needed: readonly boolean[];
}

/** Gradient of each input; null where it is not needed. A rule adds only nodes that are needed. */
export type Rule = (g: GraphBuilder, node: Differentiated) => readonly (Value | null)[];

/** The vector-Jacobian product of every operator that zmesh's model graphs are made of. */
export const RULES: Readonly<Record<string, Rule>> = {
  Add: (g, node) => broadcasting(g, node, (dy) => dy),
  Sub: (g, node) => broadcasting(g, node, (dy, index) => (index === 0 ? dy : negate(g, dy))),
  Mul: (g, node) => broadcasting(g, node, (dy, index) => multiply(g, dy, input(node, 1 - index))),
  Neg: (g, node) => [negate(g, only(node))],
  Exp: (g, node) => [multiply(g, only(node), output(node))],
  // σ′ = σ · (1 − σ).
  Sigmoid: (g, node) => {
    const y = output(node);
    return [multiply(g, only(node), multiply(g, y, oneMinus(g, y)))];
  },
  // dx = y ∘ (dy − Σ dy∘y).
  Softmax: (g, node) => {
    const [dy, y] = [only(node), output(node)];
    return [multiply(g, y, subtract(g, dy, sumLast(g, multiply(g, dy, y))))];
  },
  // dx = dy − softmax(x) · Σ dy.
  LogSoftmax: (g, node) => {
    const dy = only(node);
    return [subtract(g, dy, multiply(g, exp(g, output(node)), sumLast(g, dy)))];
  },
  ReduceSum: (g, node) => {
    const x = input(node, 0);
    assert.deepEqual(output(node).shape, x.shape.with(-1, 1), 'sums over the last axis alone');
    return [repeated(g, only(node), x), null];
  },
  MatMul: (g, node) => product(g, node, { transposed: false, scale: undefined }),
  FusedMatMul: (g, node) => {
    const { transA, transB, alpha } = node.attributes;
    assert.ok(
      transA && 'int' in transA && transA.int === 0,
      'the forward graph does not transpose left operands',
    );
    assert.ok(transB && 'int' in transB && alpha && 'float' in alpha);
    return product(g, node, {
      transposed: transB.int === 1,
      scale: alpha.float === 1 ? undefined : alpha.float,
    });
  },
  // y = x·r·w with r = 1/√(mean x² + ε): dx = r ∘ (dy∘w − x·r · mean(dy∘w∘x·r)).
  SimplifiedLayerNormalization: (g, node) => {
    assert.ok(!node.needed[1], 'weights of norms are constants');
    const { epsilon } = node.attributes;
    assert.ok(epsilon && 'float' in epsilon);
    const x = input(node, 0);
    const scaled = multiply(g, only(node), input(node, 1));
    const r = inverseRms(g, x, epsilon.float);
    const unit = multiply(g, x, r);
    const along = multiply(g, unit, meanLast(g, multiply(g, scaled, unit)));
    return [multiply(g, subtract(g, scaled, along), r), null];
  },
  // A rotation is undone by its opposite.
  RotaryEmbedding: (g, node) => {
    const [positions, cos, sin] = [input(node, 1), input(node, 2), input(node, 3)];
    return [rotary(g, only(node), { positions, cos, sin: negate(g, sin) }), null, null, null];
  },
  Reshape: (g, node) => [reshapeLike(g, only(node), input(node, 0)), null],
  Transpose: (g, node) => {
    const { perm } = node.attributes;
    assert.ok(perm && 'ints' in perm);
    const inverse = perm.ints.map((_, axis) => perm.ints.indexOf(axis));
    return [transpose(g, only(node), inverse)];
  },
  Split: (g, node) => {
    const { axis } = node.attributes;
    const x = input(node, 0);
    assert.ok(axis && 'int' in axis);
    const pieces = node.upstream.map((one) => one ?? assert.fail('every piece of a split counts'));
    return [concat(g, pieces, axis.int, x.shape[axis.int]!), null];
  },
  Concat: (g, node) => {
    const { axis } = node.attributes;
    assert.ok(axis && 'int' in axis);
    const sizes = node.inputs.map(({ shape }) => shape[axis.int]!);
    const lengths = g.integers(
      sizes.map((size) => (typeof size === 'number' ? size : assert.fail(`${size} is known`))),
    );
    return split(g, only(node), { axis: axis.int, sizes, lengths });
  },
  // Rows that are picked several times add up.
  Gather: (g, node) => {
    const [x, indices] = [input(node, 0), input(node, 1)];
    return [scatterAddRows(g, only(node), indices, x), null];
  },
  GatherElements: (g, node) => [scatterLast(g, only(node), input(node, 1), input(node, 0)), null],
};

function broadcasting(
  g: GraphBuilder,
  node: Differentiated,
  local: (dy: Value, index: number) => Value,
): readonly (Value | null)[] {
  const dy = only(node);
  return node.inputs.map((x, index) => (node.needed[index] ? sumTo(g, local(dy, index), x) : null));
}

/** y = α·a·b or α·a·bᵀ. A plain matrix b under a batch is a weight, hence a constant. */
function product(
  g: GraphBuilder,
  node: Differentiated,
  { transposed, scale }: { readonly transposed: boolean; readonly scale: number | undefined },
): readonly (Value | null)[] {
  const [a, b, dy] = [input(node, 0), input(node, 1), only(node)];
  const scaled = scale === undefined ? {} : { scale };
  const da = node.needed[0] ? matMul(g, dy, b, { transposeB: !transposed, ...scaled }) : null;
  if (!node.needed[1]) return [da, null];
  assert.equal(a.shape.length, b.shape.length, `${b.name} is a matrix under a batch: a constant`);
  const [left, right] = transposed ? [dy, a] : [a, dy];
  return [da, matMul(g, left, right, { transposeA: true, ...scaled })];
}

/** x [..., 1] repeated along the last axis to `like`'s shape. */
function repeated(g: GraphBuilder, x: Value, like: Value): Value {
  const shape = g.node('Shape', {
    inputs: [like],
    outputs: [{ type: 'int64', shape: [like.shape.length] }],
  });
  const [expanded] = g.node('Expand', { inputs: [x, ...shape], outputs: [like] });
  assert.ok(expanded);
  return expanded;
}

function input(node: Differentiated, index: number): Value {
  return node.inputs[index] ?? assert.fail(`${node.op} has an input ${index}`);
}

function output(node: Differentiated): Value {
  return node.outputs[0] ?? assert.fail(`${node.op} has an output`);
}

/** The upstream gradient of an operator with one output. */
function only(node: Differentiated): Value {
  return node.upstream[0] ?? assert.fail(`${node.op} has an upstream gradient`);
}
