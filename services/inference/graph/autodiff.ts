import assert from 'node:assert/strict';
import { RULES } from './autodiff-rules.js';
import type { GraphBuilder, GraphNode, Value } from './builder.js';
import { add } from './ops.js';

/**
 * Reverse-mode differentiation of a graph, as nodes of the same graph. `seeds` gives for each result its upstream gradient
 * (of its shape); the answer is, for each of `sources`, Σ over results of seedᵀ · ∂result/∂source. The builder's node list is
 * the tape. Only what lies between a source and a result is differentiated; other branches (weights, masks, another model's
 * pass) cost nothing.
 */
export function differentiate(
  g: GraphBuilder,
  seeds: ReadonlyMap<Value, Value>,
  sources: readonly Value[],
): Value[] {
  const tape = [...g.nodes];
  const dependent = dependents(tape, sources);
  const gradients = new Map<Value, Value>();
  for (const [result, seed] of seeds) {
    assert.equal(seed.shape.join(), result.shape.join(), `the seed of ${result.name} has its shape`);
    gradients.set(result, seed);
  }
  for (const node of tape.reverse()) {
    const upstream = node.outputs.map((output) => gradients.get(output) ?? null);
    const needed = node.inputs.map((input) => dependent.has(input));
    if (!needed.includes(true) || upstream.every((one) => one === null)) continue;
    const rule = RULES[node.op];
    assert.ok(rule, `${node.op} can be differentiated`);
    const downstream = rule(g, { ...node, upstream, needed });
    node.inputs.forEach((input, index) => {
      const one = downstream[index];
      if (!needed[index]) return;
      assert.ok(one, `${node.op} gives the gradient of its input ${index}`);
      assert.equal(one.shape.join(), input.shape.join(), `${node.op}: a gradient has its input's shape`);
      const sum = gradients.get(input);
      gradients.set(input, sum ? add(g, sum, one) : one);
    });
  }
  return sources.map((source) => {
    const gradient = gradients.get(source);
    assert.ok(gradient, `a result depends on ${source.name}`);
    return gradient;
  });
}

/** All values that depend on a source, the sources too. */
function dependents(tape: readonly GraphNode[], sources: readonly Value[]): ReadonlySet<Value> {
  const found = new Set<Value>(sources);
  for (const { inputs, outputs } of tape)
    if (inputs.some((input) => found.has(input))) for (const output of outputs) found.add(output);
  return found;
}
