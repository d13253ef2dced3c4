import { ZmeshError } from '#shared/errors.js';
import { DTYPE_BYTES, type Dtype } from './dtype.js';
import { HEADER_BYTES_MAX } from './header.js';

/** What the header says of a tensor that shall be written. */
export interface TensorHead {
  readonly name: string;
  readonly dtype: Dtype;
  readonly shape: readonly number[];
}

/** Bytes of a tensor. */
export function tensorBytes(head: TensorHead): number {
  return head.shape.reduce((product, size) => product * size, DTYPE_BYTES[head.dtype]);
}

/**
 * Lays a file out: wider elements first, then by name, metadata by key; so equal content gives equal bytes. The header is
 * padded with spaces to a multiple of 8, and so every tensor is aligned to its element.
 * @returns the tensors in the order of their data, and the first bytes of the file up to the data.
 * @throws ZmeshError INVALID_FIELD for a name that is there twice or reserved; TOO_LARGE for a header over the format's limit.
 */
export function layOut<T extends TensorHead>(
  tensors: readonly T[],
  metadata: Readonly<Record<string, string>>,
): { readonly ordered: readonly T[]; readonly head: Uint8Array } {
  const ordered = [...tensors].sort(
    (a, b) => DTYPE_BYTES[b.dtype] - DTYPE_BYTES[a.dtype] || (a.name < b.name ? -1 : a.name > b.name ? 1 : 0),
  );
  checkNames(ordered);
  const members: string[] = [];
  const pairs = Object.entries(metadata).sort(([a], [b]) => (a < b ? -1 : 1));
  if (pairs.length > 0) {
    members.push(`"__metadata__":{${pairs.map(([k, v]) => `${JSON.stringify(k)}:${JSON.stringify(v)}`)}}`);
  }
  let begin = 0;
  for (const tensor of ordered) {
    const end = begin + tensorBytes(tensor);
    const { name, dtype, shape } = tensor;
    members.push(`${JSON.stringify(name)}:${JSON.stringify({ dtype, shape, data_offsets: [begin, end] })}`);
    begin = end;
  }
  return { ordered, head: encodeHead(`{${members.join(',')}}`) };
}

function checkNames(tensors: readonly TensorHead[]): void {
  const names = new Set(['__metadata__']);
  for (const { name } of tensors) {
    if (names.has(name)) {
      throw new ZmeshError('INVALID_FIELD', `tensor name \`${name}\` is reserved or given twice`, {
        value: name,
      });
    }
    names.add(name);
  }
}

function encodeHead(json: string): Uint8Array {
  const text = new TextEncoder().encode(json);
  const length = Math.ceil(text.length / 8) * 8;
  if (length > HEADER_BYTES_MAX) {
    throw new ZmeshError('TOO_LARGE', `the header takes ${length} bytes, the limit is ${HEADER_BYTES_MAX}`, {
      limit: HEADER_BYTES_MAX,
      value: length,
    });
  }
  const head = new Uint8Array(8 + length).fill(0x20);
  new DataView(head.buffer).setBigUint64(0, BigInt(length), true);
  head.set(text, 8);
  return head;
}
