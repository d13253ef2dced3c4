import { ZmeshError } from '#shared/errors.js';
import type { Dtype } from './dtype.js';
import { headerLength, parseHeader } from './header.js';
import { layOut, type TensorHead, tensorBytes } from './layout.js';

/** One tensor in memory: row-major, little-endian. */
export interface Tensor {
  readonly dtype: Dtype;
  readonly shape: readonly number[];
  /** The elements' bytes; may lie at any alignment. */
  readonly data: Uint8Array;
}

/** A safetensors file in memory. */
export interface Safetensors {
  /** By name; the data are views into the bytes that were parsed. */
  readonly tensors: ReadonlyMap<string, Tensor>;
  readonly metadata: ReadonlyMap<string, string>;
}

/**
 * Parses a whole file that is in memory (expert vectors, small checkpoints). Copies nothing.
 * @param source what the bytes are, for the error's message.
 * @throws ZmeshError BAD_SAFETENSORS.
 */
export function parseSafetensors(bytes: Uint8Array, source = 'the payload'): Safetensors {
  const length = headerLength(source, bytes, bytes.length);
  const header = parseHeader(source, bytes.subarray(8, 8 + length), bytes.length);
  const tensors = new Map<string, Tensor>();
  for (const { name, dtype, shape, offset, length: size } of header.tensors.values()) {
    tensors.set(name, { dtype, shape, data: bytes.subarray(offset, offset + size) });
  }
  return { tensors, metadata: header.metadata };
}

/**
 * Encodes tensors as a safetensors file. Equal content gives equal bytes, whatever the order it is given in.
 * @throws ZmeshError INVALID_FIELD for a name given twice; WRONG_SHAPE for data that do not fill the shape.
 */
export function encodeSafetensors(
  tensors: readonly (TensorHead & Tensor)[],
  metadata: Readonly<Record<string, string>> = {},
): Uint8Array {
  const { ordered, head } = layOut(tensors, metadata);
  let position = head.length;
  for (const tensor of ordered) position += tensorBytes(tensor);
  const file = new Uint8Array(position);
  file.set(head);
  position = head.length;
  for (const tensor of ordered) {
    checkLength(tensor, tensor.data.length);
    file.set(tensor.data, position);
    position += tensor.data.length;
  }
  return file;
}

function checkLength(tensor: TensorHead, length: number): void {
  const wanted = tensorBytes(tensor);
  if (length === wanted) return;
  const message = `tensor \`${tensor.name}\` of shape [${tensor.shape}] takes ${wanted} bytes, ${length} are given`;
  throw new ZmeshError('WRONG_SHAPE', message, { limit: wanted, value: length });
}
