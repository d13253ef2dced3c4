import {
  type AttributeProto,
  AttributeProto_AttributeType,
  ModelProto,
  TensorProto_DataLocation,
} from '#proto/onnx/onnx.js';
import type { Attribute, ElementType, GraphBuilder, Initializer, StoredTensor, Value } from './builder.js';

/** Numbers of ONNX's TensorProto.DataType. */
const DATA_TYPES: Readonly<Record<ElementType, number>> = { float32: 1, int32: 6, int64: 7 };

/** The ONNX operator set the graphs are written in. 21 is understood by every ONNX Runtime since 1.18. */
const OPERATOR_SET = 21n;

/** IR version that goes with operator set 21. */
const IR_VERSION = 10n;

/** The graph as the bytes of an ONNX model. Tensors in files are named by location, offset and length. */
export function encodeModel(graph: GraphBuilder, name: string): Uint8Array {
  const model = ModelProto.fromPartial({
    irVersion: IR_VERSION,
    producerName: 'zmesh',
    opsetImport: [
      { domain: '', version: OPERATOR_SET },
      { domain: 'com.microsoft', version: 1n },
    ],
    graph: {
      name,
      node: graph.nodes.map((node, index) => ({
        name: `${index}_${node.op}`,
        opType: node.op,
        domain: node.domain,
        input: node.inputs.map((value) => value.name),
        output: node.outputs.map((value) => value.name),
        attribute: Object.entries(node.attributes).map(([key, value]) => attribute(key, value)),
      })),
      input: graph.inputs.map(valueInfo),
      output: graph.outputs.map(valueInfo),
      initializer: graph.initializers.map(tensor),
    },
  });
  return ModelProto.encode(model).finish();
}

function attribute(name: string, value: Attribute): Partial<AttributeProto> {
  if ('int' in value) return { name, type: AttributeProto_AttributeType.INT, i: BigInt(value.int) };
  if ('float' in value) return { name, type: AttributeProto_AttributeType.FLOAT, f: value.float };
  if ('string' in value)
    return { name, type: AttributeProto_AttributeType.STRING, s: Buffer.from(value.string, 'utf8') };
  return { name, type: AttributeProto_AttributeType.INTS, ints: value.ints.map(BigInt) };
}

function valueInfo(value: Value) {
  const dim = value.shape.map((size) => ({
    value:
      typeof size === 'number'
        ? { $case: 'dimValue' as const, value: BigInt(size) }
        : { $case: 'dimParam' as const, value: size },
  }));
  const tensorType = { elemType: DATA_TYPES[value.type], shape: { dim } };
  return { name: value.name, type: { value: { $case: 'tensorType' as const, value: tensorType } } };
}

function tensor({ value, data }: Initializer) {
  const head = {
    name: value.name,
    dataType: DATA_TYPES[value.type],
    dims: value.shape.map((size) => BigInt(size)),
  };
  if (isStored(data)) {
    const externalData = [
      { key: 'location', value: data.location },
      { key: 'offset', value: String(data.offset) },
      { key: 'length', value: String(data.bytes) },
    ];
    return { ...head, dataLocation: TensorProto_DataLocation.EXTERNAL, externalData };
  }
  return { ...head, rawData: new Uint8Array(data.buffer, data.byteOffset, data.byteLength) };
}

function isStored(data: Initializer['data']): data is StoredTensor {
  return 'location' in data;
}
