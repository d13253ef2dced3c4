/** A metadata value with its GGUF type number. */
export interface GgufValue {
  readonly type: 4 | 5 | 6 | 7 | 8 | 9 | 10;
  readonly value: number | boolean | string | bigint | readonly string[] | readonly number[];
}

/** A tensor to write: shape slowest first, raw bytes as they are stored. */
export interface GgufTensorInput {
  readonly name: string;
  readonly shape: readonly number[];
  readonly type: number;
  readonly data: Uint8Array;
}

export const u32 = (value: number): GgufValue => ({ type: 4, value });
export const f32 = (value: number): GgufValue => ({ type: 6, value });
export const bool = (value: boolean): GgufValue => ({ type: 7, value });
export const str = (value: string): GgufValue => ({ type: 8, value });
export const list = (value: readonly string[] | readonly number[]): GgufValue => ({ type: 9, value });

/** Writes a GGUF v3 file: an implementation of the format for tests, independent of the reader. */
export function writeGguf(
  metadata: Readonly<Record<string, GgufValue>>,
  tensors: readonly GgufTensorInput[],
  alignment = 32,
): Buffer {
  const parts: Buffer[] = [
    Buffer.from('GGUF'),
    word(3),
    long(tensors.length),
    long(Object.keys(metadata).length),
  ];
  for (const [key, { type, value }] of Object.entries(metadata))
    parts.push(text(key), word(type), encode(type, value));
  let offset = 0;
  for (const { name, shape, type, data } of tensors) {
    parts.push(text(name), word(shape.length), ...[...shape].reverse().map(long), word(type), long(offset));
    offset += padded(data.length, alignment);
  }
  const head = Buffer.concat(parts);
  const out = [head, Buffer.alloc(padded(head.length, alignment) - head.length)];
  for (const { data } of tensors)
    out.push(Buffer.from(data), Buffer.alloc(padded(data.length, alignment) - data.length));
  return Buffer.concat(out);
}

const padded = (length: number, alignment: number): number => Math.ceil(length / alignment) * alignment;

function word(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}

function long(value: number | bigint): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt(value));
  return bytes;
}

function text(value: string): Buffer {
  const bytes = Buffer.from(value);
  return Buffer.concat([long(bytes.length), bytes]);
}

function encode(type: GgufValue['type'], value: GgufValue['value']): Buffer {
  if (type === 8) return text(value as string);
  if (type === 7) return Buffer.from([value ? 1 : 0]);
  if (type === 10) return long(value as bigint);
  if (type === 6) {
    const bytes = Buffer.alloc(4);
    bytes.writeFloatLE(value as number);
    return bytes;
  }
  if (type !== 9) return word(value as number);
  const items = value as readonly (string | number)[];
  const strings = typeof items[0] === 'string';
  return Buffer.concat([
    word(strings ? 8 : 5),
    long(items.length),
    ...items.map((item) => (strings ? text(item as string) : word(item as number))),
  ]);
}
