import assert from 'node:assert/strict';
import type { ElementType, GraphBuilder, GraphNode, Value } from './builder.js';

/** Sizes of a graph's symbolic dimensions. */
export type Sizes = Readonly<Record<string, number>>;

/** Bytes that are alive at one time, by the product of symbolic dimensions that they grow with (`batch tokens`; '' = none). */
type Bytes = ReadonlyMap<string, number>;

const ELEMENT_BYTES: Readonly<Record<ElementType, number>> = { float32: 4, int32: 4, int64: 8 };

/** Operators whose output is their input under another name. */
const ALIASES = new Set(['Reshape', 'Identity']);

/** Operators that may write over an input that nobody reads later. */
const IN_PLACE = new Set(['Add', 'Sub', 'Mul', 'Neg', 'Exp', 'Sigmoid', 'Softmax', 'LogSoftmax']);

/**
 * Plans a graph's memory: the most bytes that are alive at a time, beside constants, when the nodes run in order and each
 * value is freed after its last use; inputs and outputs stay. The graph is walked once; what is asked per size is a maximum
 * over the few moments that can be the peak at some size.
 */
export function peakBytes(g: GraphBuilder): (sizes: Sizes) => number {
  const moments = undominated(momentsOf(g));
  const patterns = [...new Set(moments.flatMap((moment) => [...moment.keys()]))];
  return (sizes) => {
    const factors = new Map(patterns.map((pattern) => [pattern, productOf(pattern, sizes)]));
    const total = (moment: Bytes): number =>
      [...moment].reduce((sum, [pattern, bytes]) => sum + bytes * factors.get(pattern)!, 0);
    return Math.max(...moments.map(total));
  };
}

/** What is alive while each node runs. */
function momentsOf(g: GraphBuilder): Bytes[] {
  const constant = new Set(g.initializers.map(({ value }) => value));
  const rootOf = aliases(g.nodes);
  const lastUse = new Map<Value, number>();
  g.nodes.forEach(({ inputs, outputs }, index) => {
    for (const value of [...inputs, ...outputs]) lastUse.set(rootOf(value), index);
  });
  for (const value of [...g.inputs, ...g.outputs]) lastUse.set(rootOf(value), g.nodes.length);

  const alive = new Map<string, number>();
  const count = (value: Value, sign: 1 | -1): void => {
    const [pattern, bytes] = bytesOf(value);
    alive.set(pattern, (alive.get(pattern) ?? 0) + sign * bytes);
  };
  for (const value of g.inputs) count(value, 1);
  return g.nodes.map((node, index) => {
    const roots = new Set([...node.inputs, ...node.outputs].map(rootOf));
    const freed = [...roots].filter((value) => lastUse.get(value) === index && !constant.has(value));
    const made = ALIASES.has(node.op) ? [] : node.outputs;
    // Written over: its place is given back before the result takes it.
    const over = IN_PLACE.has(node.op) ? freed.find((value) => sameBytes(value, made[0]!)) : undefined;
    if (over) count(over, -1);
    for (const value of made) count(value, 1);
    const moment = new Map(alive);
    for (const value of freed) if (value !== over) count(value, -1);
    return moment;
  });
}

/** Drops every moment that another one outweighs at all sizes. */
function undominated(moments: readonly Bytes[]): Bytes[] {
  const kept: Bytes[] = [];
  const within = (a: Bytes, b: Bytes): boolean =>
    [...a].every(([pattern, bytes]) => bytes <= (b.get(pattern) ?? 0));
  for (const moment of moments) {
    if (kept.some((other) => within(moment, other))) continue;
    const rest = kept.filter((other) => !within(other, moment));
    kept.splice(0, kept.length, ...rest, moment);
  }
  return kept;
}

/** The symbolic dimensions of a value, in a canonical order, and the bytes for each unit of their product. */
function bytesOf(value: Value): [pattern: string, bytes: number] {
  const symbols = value.shape.filter((dim) => typeof dim === 'string').sort();
  const bytes = value.shape.reduce<number>(
    (product, dim) => (typeof dim === 'number' ? product * dim : product),
    ELEMENT_BYTES[value.type],
  );
  return [symbols.join(' '), bytes];
}

const sameBytes = (a: Value, b: Value): boolean => bytesOf(a).join() === bytesOf(b).join();

function productOf(pattern: string, sizes: Sizes): number {
  const names = pattern === '' ? [] : pattern.split(' ');
  return names.reduce(
    (product, name) => product * (sizes[name] ?? assert.fail(`the size of ${name} is known`)),
    1,
  );
}

/** Follows reshapes to the value whose memory is meant. */
function aliases(nodes: readonly GraphNode[]): (value: Value) => Value {
  const roots = new Map<Value, Value>();
  const rootOf = (value: Value): Value => roots.get(value) ?? value;
  for (const { op, inputs, outputs } of nodes) {
    const [from, to] = [inputs[0], outputs[0]];
    if (ALIASES.has(op) && from && to) roots.set(to, rootOf(from));
  }
  return rootOf;
}
