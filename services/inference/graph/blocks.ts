import type { GraphBuilder, Value } from './builder.js';
import { add, matMul, multiply, sigmoid } from './ops.js';

/** The weights of one linear layer y = W x + b, W being [rows, columns]. */
export interface Linear {
  readonly weight: DenseWeight | FactoredWeight;
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

/** x [batch, tokens, columns] → [batch, tokens, rows]: W x + b, or U (s ∘ (Vᵀ x)) + b without ever building W. */
export function linear(g: GraphBuilder, x: Value, layer: Linear): Value {
  const { weight, bias } = layer;
  const product =
    weight.kind === 'dense' ? matMul(g, x, weight.matrix, { transposeB: true }) : factored(g, x, weight);
  return bias ? add(g, product, bias) : product;
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
