import { BinaryReader, BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import type { Field, Schema } from './schema.js';

/** One field as it travels. `raw` overrides how it is written: its bytes follow the tag as they are. */
export type Node = { readonly field: Field } & (
  | { readonly value: bigint | number | Buffer | WireMessage }
  | { readonly packed: readonly bigint[] }
  | { readonly wire: WireType; readonly raw: Buffer }
);

/** A message as a list of fields in the order of the wire, so that it may hold what no valid message holds. */
export interface WireMessage {
  /** Full name, a key of the schema. */
  readonly type: string;
  readonly nodes: Node[];
}

/** Takes a valid message apart. */
export function parse(schema: Schema, type: string, bytes: Uint8Array): WireMessage {
  const reader = new BinaryReader(bytes);
  const nodes: Node[] = [];
  while (reader.pos < reader.len) {
    const [no, wire] = reader.tag();
    const field = schema.get(type)!.get(no)!;
    nodes.push(parseNode(schema, field, { reader, wire }));
  }
  return { type, nodes };
}

function parseNode(
  schema: Schema,
  field: Field,
  { reader, wire }: { readonly reader: BinaryReader; readonly wire: WireType },
): Node {
  switch (field.kind) {
    case 'string':
    case 'bytes':
      return { field, value: Buffer.from(reader.bytes()) };
    case 'message':
      return { field, value: parse(schema, field.message, reader.bytes()) };
    case 'double':
      return { field, value: reader.double() };
    case 'float':
      return { field, value: reader.float() };
    default: {
      if (wire === WireType.Varint) return { field, value: BigInt(reader.uint64()) };
      const inner = new BinaryReader(reader.bytes());
      const packed: bigint[] = [];
      while (inner.pos < inner.len) packed.push(BigInt(inner.uint64()));
      return { field, packed };
    }
  }
}

/** Puts a message together. */
export function format(message: WireMessage): Buffer {
  const writer = new BinaryWriter();
  for (const node of message.nodes) formatNode(writer, node);
  return Buffer.from(writer.finish());
}

function formatNode(writer: BinaryWriter, node: Node): void {
  const { no, kind } = node.field;
  if ('raw' in node) {
    writer.tag(no, node.wire).raw(node.raw);
  } else if ('packed' in node) {
    const inner = new BinaryWriter();
    for (const value of node.packed) inner.uint64(value);
    writer.tag(no, WireType.LengthDelimited).bytes(inner.finish());
  } else if (typeof node.value === 'bigint') {
    writer.tag(no, WireType.Varint).uint64(BigInt.asUintN(64, node.value));
  } else if (typeof node.value === 'number') {
    const size = kind === 'float' ? 4 : 8;
    const bytes = Buffer.alloc(size);
    if (size === 4) bytes.writeFloatLE(node.value);
    else bytes.writeDoubleLE(node.value);
    writer.tag(no, size === 4 ? WireType.Bit32 : WireType.Bit64).raw(bytes);
  } else {
    const bytes = Buffer.isBuffer(node.value) ? node.value : format(node.value);
    writer.tag(no, WireType.LengthDelimited).bytes(bytes);
  }
}

/** Every message inside, the outermost first. */
export function* messagesIn(message: WireMessage): Generator<WireMessage> {
  yield message;
  for (const node of message.nodes) {
    if ('value' in node && typeof node.value === 'object' && !Buffer.isBuffer(node.value))
      yield* messagesIn(node.value);
  }
}
