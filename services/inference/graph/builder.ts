import assert from 'node:assert/strict';

/** A dimension: its size, or a name for a size that is known only when the graph runs (`batch`). */
export type Dim = number | string;

/** Element types that zmesh's graphs use. */
export type ElementType = 'float32' | 'int32' | 'int64';

/** A tensor in a graph. Equal names of symbolic dimensions mean equal sizes. */
export interface Value {
  readonly name: string;
  readonly type: ElementType;
  readonly shape: readonly Dim[];
}

/** A node's attribute; which of ONNX's number types it has is said, since `1` alone cannot. */
export type Attribute =
  | { readonly int: number }
  | { readonly float: number }
  | { readonly string: string }
  | { readonly ints: readonly number[] };

/** One operator application. The nodes of a builder are in an order in which they can run. */
export interface GraphNode {
  readonly op: string;
  readonly domain: OperatorDomain;
  readonly inputs: readonly Value[];
  readonly outputs: readonly Value[];
  readonly attributes: Readonly<Record<string, Attribute>>;
}

/** ONNX's own operators, or ONNX Runtime's. */
export type OperatorDomain = '' | 'com.microsoft';

/** An f32 tensor that lies in a file beside the model, little-endian and row-major. */
export interface StoredTensor {
  readonly shape: readonly number[];
  /** Path of the file, relative to the model's folder, with `/`. */
  readonly location: string;
  readonly offset: number;
  readonly bytes: number;
}

/** A constant tensor: its data is in the graph, or in a file that ONNX Runtime maps. */
export interface Initializer {
  readonly value: Value;
  readonly data: Float32Array | BigInt64Array | Int32Array | StoredTensor;
}

/** What `GraphBuilder.node` needs to know. */
export interface NodeOptions {
  readonly inputs: readonly Value[];
  readonly outputs: readonly { readonly type: ElementType; readonly shape: readonly Dim[] }[];
  readonly attributes?: Readonly<Record<string, Attribute>>;
  readonly domain?: OperatorDomain;
}

/**
 * Collects a graph: inputs, constants, nodes, outputs. It knows no operator: those are functions in `ops.ts`, which
 * compute shapes. The node list doubles as the tape for differentiation: each node keeps its values, not only names.
 */
export class GraphBuilder {
  readonly inputs: Value[] = [];
  readonly outputs: Value[] = [];
  readonly nodes: GraphNode[] = [];
  readonly initializers: Initializer[] = [];
  readonly #stored = new Map<StoredTensor, Value>();
  readonly #integers = new Map<string, Value>();
  #count = 0;

  /** Declares a graph input. */
  input(name: string, type: ElementType, shape: readonly Dim[]): Value {
    const value = { name, type, shape };
    this.inputs.push(value);
    return value;
  }

  /** Makes a value an output of the graph under `name`; an Identity node carries the name. */
  output(name: string, value: Value): void {
    const named = { ...value, name };
    this.nodes.push({ op: 'Identity', domain: '', inputs: [value], outputs: [named], attributes: {} });
    this.outputs.push(named);
  }

  /** A tensor in a weight file. Asking twice for one tensor gives one value, so tied weights are one in memory. */
  weight(tensor: StoredTensor): Value {
    const known = this.#stored.get(tensor);
    if (known) return known;
    const value: Value = { name: this.#fresh('weight'), type: 'float32', shape: tensor.shape };
    this.initializers.push({ value, data: tensor });
    this.#stored.set(tensor, value);
    return value;
  }

  /** A constant f32 tensor that is kept inside the graph. */
  floats(data: Float32Array, shape: readonly number[]): Value {
    assert.equal(
      data.length,
      shape.reduce((product, size) => product * size, 1),
      'a constant has as many elements as its shape says',
    );
    const value: Value = { name: this.#fresh('floats'), type: 'float32', shape };
    this.initializers.push({ value, data });
    return value;
  }

  /** A constant int64 vector (shapes, axes, sizes); equal ones are shared. */
  integers(numbers: readonly number[]): Value {
    return this.#constant('int64', numbers, [numbers.length]);
  }

  /** A constant int32 tensor (indices); equal ones are shared. */
  indices(numbers: readonly number[], shape: readonly number[]): Value {
    return this.#constant('int32', numbers, shape);
  }

  /** Adds an operator and returns its outputs. */
  node(op: string, options: NodeOptions): Value[] {
    const outputs = options.outputs.map(({ type, shape }): Value => ({ name: this.#fresh(op), type, shape }));
    this.nodes.push({
      op,
      domain: options.domain ?? '',
      inputs: options.inputs,
      outputs,
      attributes: options.attributes ?? {},
    });
    return outputs;
  }

  #constant(type: 'int32' | 'int64', numbers: readonly number[], shape: readonly number[]): Value {
    const key = `${type} ${shape.join()} ${numbers.join()}`;
    const known = this.#integers.get(key);
    if (known) return known;
    const value: Value = { name: this.#fresh(type), type, shape };
    const data = type === 'int32' ? Int32Array.from(numbers) : BigInt64Array.from(numbers, BigInt);
    this.initializers.push({ value, data });
    this.#integers.set(key, value);
    return value;
  }

  #fresh(prefix: string): string {
    this.#count += 1;
    return `${prefix}_${this.#count}`;
  }
}
