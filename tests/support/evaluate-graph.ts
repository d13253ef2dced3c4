import assert from 'node:assert/strict';
import type {
  Attribute,
  GraphBuilder,
  GraphNode,
  StoredTensor,
  Value,
} from '#services/inference/graph/builder.js';

/** A tensor in f64; integers too. */
export interface Array64 {
  readonly shape: readonly number[];
  readonly data: Float64Array;
}

/**
 * Evaluates a graph in f64, operator by operator, by the ONNX operators' definitions: slow, obvious, and precise enough for
 * finite differences. `stored` gives the tensors that lie in files. Returns every value by name.
 */
export function evaluateGraph(
  g: GraphBuilder,
  inputs: Readonly<Record<string, Array64>>,
  stored: (tensor: StoredTensor) => Float64Array = () => assert.fail('no tensor lies in a file'),
): ReadonlyMap<string, Array64> {
  const values = new Map<string, Array64>(Object.entries(inputs));
  for (const { value, data } of g.initializers) {
    const shape = value.shape.map(Number);
    const numbers = 'location' in data ? stored(data) : Float64Array.from(data as ArrayLike<number>, Number);
    values.set(value.name, { shape, data: numbers });
  }
  for (const node of g.nodes) {
    const operator = OPERATORS[node.op] ?? assert.fail(`the evaluator knows ${node.op}`);
    const given = node.inputs.map((value) => find(values, value));
    const results = operator(given, node);
    for (const [index, value] of node.outputs.entries()) values.set(value.name, results[index]!);
  }
  return values;
}

const find = (values: ReadonlyMap<string, Array64>, { name }: Value): Array64 =>
  values.get(name) ?? assert.fail(`${name} has a value`);

type Operator = (inputs: readonly Array64[], node: GraphNode) => readonly Array64[];

const size = (shape: readonly number[]): number => shape.reduce((product, dim) => product * dim, 1);
const tensor = (shape: readonly number[], at: (index: number) => number): Array64 => ({
  shape,
  data: Float64Array.from({ length: size(shape) }, (_, index) => at(index)),
});
const int = (attribute: Attribute | undefined): number =>
  attribute && 'int' in attribute ? attribute.int : assert.fail('an integer');
const float = (attribute: Attribute | undefined): number =>
  attribute && 'float' in attribute ? attribute.float : assert.fail('a number');

/** Coordinates of a flat index. */
function coordinates(index: number, shape: readonly number[]): number[] {
  const found = new Array<number>(shape.length);
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    found[axis] = index % shape[axis]!;
    index = Math.floor(index / shape[axis]!);
  }
  return found;
}

/** Flat index of coordinates; axes of size 1 are broadcast, leading coordinates beyond the rank are left out. */
function flat(at: readonly number[], shape: readonly number[]): number {
  const own = at.slice(at.length - shape.length);
  return shape.reduce((index, dim, axis) => index * dim + (dim === 1 ? 0 : own[axis]!), 0);
}

function broadcast(a: readonly number[], b: readonly number[]): number[] {
  const rank = Math.max(a.length, b.length);
  return Array.from({ length: rank }, (_, axis) =>
    Math.max(a[axis - rank + a.length] ?? 1, b[axis - rank + b.length] ?? 1),
  );
}

const binary =
  (apply: (a: number, b: number) => number): Operator =>
  ([a, b]) => {
    const shape = broadcast(a!.shape, b!.shape);
    return [
      tensor(shape, (index) => {
        const at = coordinates(index, shape);
        return apply(a!.data[flat(at, a!.shape)]!, b!.data[flat(at, b!.shape)]!);
      }),
    ];
  };

const unary =
  (apply: (x: number) => number): Operator =>
  ([x]) => [{ shape: x!.shape, data: x!.data.map(apply) }];

/** Applies to each row along the last axis. */
const rows =
  (apply: (row: Float64Array) => ArrayLike<number>): Operator =>
  ([x]) => {
    const width = x!.shape.at(-1)!;
    const data = new Float64Array(x!.data.length);
    for (let start = 0; start < data.length; start += width)
      data.set(apply(x!.data.slice(start, start + width)), start);
    return [{ shape: x!.shape, data }];
  };

const logSumExp = (row: Float64Array): number => {
  const largest = Math.max(...row);
  return largest + Math.log(row.reduce((sum, value) => sum + Math.exp(value - largest), 0));
};

function reduce(mean: boolean): Operator {
  return ([x, axes]) => {
    const over = [...axes!.data].map((axis) => (axis + x!.shape.length) % x!.shape.length);
    const shape = x!.shape.map((dim, axis) => (over.includes(axis) ? 1 : dim));
    const sums = tensor(shape, () => 0);
    x!.data.forEach((value, index) => {
      sums.data[flat(coordinates(index, x!.shape), shape)]! += value;
    });
    const count = mean ? x!.data.length / sums.data.length : 1;
    return [{ shape, data: sums.data.map((value) => value / count) }];
  };
}

function multiplied(
  [a, b]: readonly Array64[],
  { transA, transB, alpha }: { transA: boolean; transB: boolean; alpha: number },
): Array64 {
  const [m, k] = transA ? [a!.shape.at(-1)!, a!.shape.at(-2)!] : [a!.shape.at(-2)!, a!.shape.at(-1)!];
  const n = transB ? b!.shape.at(-2)! : b!.shape.at(-1)!;
  const shape = [...a!.shape.slice(0, -2), m, n];
  return tensor(shape, (index) => {
    const at = coordinates(index, shape);
    const [i, j] = at.slice(-2) as [number, number];
    const batch = at.slice(0, -2);
    let sum = 0;
    for (let l = 0; l < k; l++) {
      const left = flat([...batch, ...(transA ? [l, i] : [i, l])], a!.shape);
      const right = flat([...batch, ...(transB ? [j, l] : [l, j])], b!.shape);
      sum += a!.data[left]! * b!.data[right]!;
    }
    return alpha * sum;
  });
}

const rotated: Operator = ([x, positions, cos, sin]) => {
  const [, , tokens, width] = x!.shape as [number, number, number, number];
  const half = width / 2;
  return [
    tensor(x!.shape, (index) => {
      const [batch, , token, i] = coordinates(index, x!.shape) as [number, number, number, number];
      const at = positions!.data[batch * tokens + token]! * half + (i % half);
      const [c, s] = [cos!.data[at]!, sin!.data[at]!];
      const other = x!.data[i < half ? index + half : index - half]!;
      return i < half ? x!.data[index]! * c - other * s : x!.data[index]! * c + other * s;
    }),
  ];
};

const OPERATORS: Readonly<Record<string, Operator>> = {
  Add: binary((a, b) => a + b),
  Sub: binary((a, b) => a - b),
  Mul: binary((a, b) => a * b),
  Neg: unary((x) => -x),
  Exp: unary(Math.exp),
  Sqrt: unary(Math.sqrt),
  Reciprocal: unary((x) => 1 / x),
  Sigmoid: unary((x) => 1 / (1 + Math.exp(-x))),
  Identity: unary((x) => x),
  Cast: unary((x) => x),
  Softmax: rows((row) => row.map((value) => Math.exp(value - logSumExp(row)))),
  LogSoftmax: rows((row) => row.map((value) => value - logSumExp(row))),
  ReduceSum: reduce(false),
  ReduceMean: reduce(true),
  MatMul: (inputs) => [multiplied(inputs, { transA: false, transB: false, alpha: 1 })],
  FusedMatMul: (inputs, { attributes: { transA, transB, alpha } }) => [
    multiplied(inputs, { transA: int(transA) === 1, transB: int(transB) === 1, alpha: float(alpha) }),
  ],
  SimplifiedLayerNormalization: ([x, weight], { attributes }) =>
    rows((row) => {
      const mean = row.reduce((sum, value) => sum + value * value, 0) / row.length;
      return row.map((value, i) => (value / Math.sqrt(mean + float(attributes.epsilon))) * weight!.data[i]!);
    })([x!], {} as GraphNode),
  RotaryEmbedding: rotated,
  Transpose: ([x], { attributes: { perm } }) => {
    const order = perm && 'ints' in perm ? perm.ints : assert.fail('an order');
    const shape = order.map((axis) => x!.shape[axis]!);
    return [
      tensor(shape, (index) => {
        const at = coordinates(index, shape);
        return x!.data[
          flat(
            order.map((_, axis) => at[order.indexOf(axis)]!),
            x!.shape,
          )
        ]!;
      }),
    ];
  },
  Reshape: ([x, target]) => {
    const kept = [...target!.data].map((dim, axis) => (dim === 0 ? x!.shape[axis]! : dim));
    const known = size(kept.filter((dim) => dim !== -1));
    return [{ shape: kept.map((dim) => (dim === -1 ? x!.data.length / known : dim)), data: x!.data }];
  },
  Concat: (inputs, { attributes }) => {
    const axis = int(attributes.axis);
    const total = inputs.reduce((sum, { shape }) => sum + shape[axis]!, 0);
    const shape = inputs[0]!.shape.with(axis, total);
    return [
      tensor(shape, (index) => {
        const at = coordinates(index, shape);
        for (const piece of inputs) {
          if (at[axis]! < piece.shape[axis]!) return piece.data[flat(at, piece.shape)]!;
          at[axis]! -= piece.shape[axis]!;
        }
        return assert.fail();
      }),
    ];
  },
  Split: ([x, lengths], { attributes }) => {
    const axis = int(attributes.axis);
    let begin = 0;
    return [...lengths!.data].map((length) => {
      const from = begin;
      begin += length;
      const shape = x!.shape.with(axis, length);
      return tensor(shape, (index) => {
        const at = coordinates(index, shape);
        return x!.data[flat(at.with(axis, at[axis]! + from), x!.shape)]!;
      });
    });
  },
  Gather: ([x, indices]) => {
    const width = size(x!.shape.slice(1));
    return [
      tensor([...indices!.shape, ...x!.shape.slice(1)], (index) => {
        const row = indices!.data[Math.floor(index / width)]!;
        return x!.data[row * width + (index % width)]!;
      }),
    ];
  },
  GatherElements: ([x, indices]) => {
    const [width, picks] = [x!.shape.at(-1)!, indices!.shape.at(-1)!];
    return [
      tensor(indices!.shape, (index) => x!.data[Math.floor(index / picks) * width + indices!.data[index]!]!),
    ];
  },
  Shape: ([x]) => [{ shape: [x!.shape.length], data: Float64Array.from(x!.shape) }],
  ConstantOfShape: ([shape]) => [tensor([...shape!.data], () => 0)],
  Expand: ([x, target]) => {
    const shape = broadcast(x!.shape, [...target!.data]);
    return [tensor(shape, (index) => x!.data[flat(coordinates(index, shape), x!.shape)]!)];
  },
  ScatterND: ([x, indices, updates]) => {
    const data = x!.data.slice();
    const width = data.length / x!.shape[0]!;
    updates!.data.forEach((value, index) => {
      data[indices!.data[Math.floor(index / width)]! * width + (index % width)]! += value;
    });
    return [{ shape: x!.shape, data }];
  },
  ScatterElements: ([x, indices, updates]) => {
    const data = x!.data.slice();
    const [width, picks] = [x!.shape.at(-1)!, indices!.shape.at(-1)!];
    updates!.data.forEach((value, index) => {
      data[Math.floor(index / picks) * width + indices!.data[index]!] = value;
    });
    return [{ shape: x!.shape, data }];
  },
};
