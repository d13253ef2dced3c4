import type { GraphBuilder, Value } from './builder.js';
import { add, matMul, multiply, sigmoid } from './ops.js';

/** The weights of one linear layer y = W x + b, W being [rows, columns]. */
export interface Linear {
  readonly weight: DenseWeight | FactoredWeight | ComputedWeight;
  /** [rows], or null. */
  readonly bias: Value | null;
}

/** W as it is: [rows, columns]. */
export interface DenseWeight {
  readonly kind: 'dense';
  readonly matrix: Value;
}

/** W = U · diag(s) · Vᵀ with another s in every row of the batch. */
export interface FactoredWeight {
  readonly kind: 'factored';
  /** [rows, rank]. */
  readonly u: Value;
  /** [rank, columns]. */
  readonly vt: Value;
  /** s, [batch, 1, rank]. */
  readonly spectrum: Value;
}

/** A product that whoever adapts the graph builds itself. */
export interface ComputedWeight {
  readonly kind: 'computed';
  /** x [batch, tokens, columns] → W x, [batch, tokens, rows]. */
  product(g: GraphBuilder, x: Value): Value;
}

/** x [batch, tokens, columns] → [batch, tokens, rows]: W x + b, or U (s ∘ (Vᵀ x)) + b without ever building W. */
export function linear(g: GraphBuilder, x: Value, layer: Linear): Value {
  const { weight, bias } = layer;
  const product = productOf(g, x, weight);
  return bias ? add(g, product, bias) : product;
}

function productOf(g: GraphBuilder, x: Value, weight: Linear['weight']): Value {
  if (weight.kind === 'computed') return weight.product(g, x);
  return weight.kind === 'dense' ? matMul(g, x, weight.matrix, { transposeB: true }) : factored(g, x, weight);
}

function factored(g: GraphBuilder, x: Value, weight: FactoredWeight): Value {
  const coordinates = matMul(g, x, weight.vt, { transposeB: true });
  return matMul(g, multiply(g, coordinates, weight.spectrum), weight.u, { transposeB: true });
}

/** The three linear layers of a SwiGLU feed-forward block. */
export interface FeedForward {
  readonly gate: Linear;
  readonly up: Linear;
  readonly down: Linear;
}

/** down(silu(gate(x)) ∘ up(x)), with silu(a) = a · sigmoid(a). */
export function swiGlu(g: GraphBuilder, x: Value, layers: FeedForward): Value {
  const gate = linear(g, x, layers.gate);
  const activated = multiply(g, gate, sigmoid(g, gate));
  return linear(g, multiply(g, activated, linear(g, x, layers.up)), layers.down);
}
