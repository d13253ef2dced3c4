import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fromBinary } from '@bufbuild/protobuf';
import {
  type DescriptorProto,
  type FieldDescriptorProto,
  FileDescriptorSetSchema,
  FieldDescriptorProto_Label as Label,
  FieldDescriptorProto_Type as Type,
} from '@bufbuild/protobuf/wkt';
import { projectRoot } from '#shared/paths.js';

/** What a field holds, as a mutation sees it. */
export type FieldKind = 'integer' | 'boolean' | 'enum' | 'double' | 'float' | 'string' | 'bytes' | 'message';

/** A field of a message. */
export interface Field {
  readonly no: number;
  readonly name: string;
  readonly kind: FieldKind;
  readonly repeated: boolean;
  /** Full name of the message it holds; empty for the other kinds. */
  readonly message: string;
}

/** Fields of every message of the contract, by full name (`.zmesh.v1.Prompt`) and number. */
export type Schema = ReadonlyMap<string, ReadonlyMap<number, Field>>;

const KINDS = new Map<Type, FieldKind>([
  [Type.DOUBLE, 'double'],
  [Type.FLOAT, 'float'],
  [Type.INT32, 'integer'],
  [Type.INT64, 'integer'],
  [Type.UINT32, 'integer'],
  [Type.UINT64, 'integer'],
  [Type.BOOL, 'boolean'],
  [Type.ENUM, 'enum'],
  [Type.STRING, 'string'],
  [Type.BYTES, 'bytes'],
  [Type.MESSAGE, 'message'],
]);

/** Reads the schema from the contract's descriptors. Map entries are messages of a key (1) and a value (2). */
export function readSchema(): Schema {
  const image = fromBinary(FileDescriptorSetSchema, readFileSync(join(projectRoot, 'proto/gen/image.binpb')));
  const schema = new Map<string, ReadonlyMap<number, Field>>();
  const add = (scope: string, message: DescriptorProto): void => {
    const name = `${scope}.${message.name}`;
    schema.set(name, new Map(message.field.map((field) => [field.number, fieldOf(field)])));
    for (const nested of message.nestedType) add(name, nested);
  };
  for (const file of image.file) for (const message of file.messageType) add(`.${file.package}`, message);
  return schema;
}

function fieldOf(field: FieldDescriptorProto): Field {
  const kind = KINDS.get(field.type);
  if (!kind)
    throw new Error(`${field.name}: a kind of field that mutations do not know: ${Type[field.type]}`);
  return {
    no: field.number,
    name: field.name,
    kind,
    repeated: field.label === Label.REPEATED,
    message: field.typeName,
  };
}
