import { ZmeshError } from '#shared/errors.js';
import type { Dtype } from './dtype.js';
import { DTYPE_BYTES } from './dtype.js';

/** Element types that `toFloat32` converts. All but F64 exactly. */
export const FLOAT_DTYPES = ['F32', 'F16', 'BF16', 'F64'] as const;

/** Bits of the f32 of every f16, made at first use (256 KiB): a table is four times as fast as arithmetic. */
let halfTable: Int32Array | undefined;

/**
 * Converts elements to f32 in a new, aligned array. F64 rounds to nearest even.
 * @param data little-endian elements at any alignment.
 * @throws ZmeshError BAD_SAFETENSORS for another dtype.
 */
export function toFloat32(tensor: { readonly dtype: Dtype; readonly data: Uint8Array }): Float32Array {
  const values = new Float32Array(tensor.data.length / DTYPE_BYTES[tensor.dtype]);
  convertInto(values, tensor.dtype, tensor.data);
  return values;
}

/**
 * As `toFloat32`, into an array that exists. Plain loops: measured faster than WASM SIMD and onnxruntime's Cast.
 * @param target as many elements as `data` holds.
 */
export function convertInto(target: Float32Array, dtype: Dtype, data: Uint8Array): void {
  switch (dtype) {
    case 'F32':
      new Uint8Array(target.buffer, target.byteOffset, data.length).set(data);
      return;
    case 'BF16': {
      const source = aligned16(data);
      const bits = new Int32Array(target.buffer, target.byteOffset, target.length);
      for (let i = 0; i < source.length; i++) bits[i] = (source[i] as number) << 16;
      return;
    }
    case 'F16': {
      const source = aligned16(data);
      const bits = new Int32Array(target.buffer, target.byteOffset, target.length);
      halfTable ??= makeHalfTable();
      for (let i = 0; i < source.length; i++) bits[i] = halfTable[source[i] as number] as number;
      return;
    }
    case 'F64':
      target.set(new Float64Array(aligned(data)));
      return;
    default: {
      const message = `elements of type ${dtype} cannot be read as numbers, supported are ${FLOAT_DTYPES.join(', ')}`;
      throw new ZmeshError('BAD_SAFETENSORS', message, { value: dtype });
    }
  }
}

function aligned16(data: Uint8Array): Uint16Array {
  if (data.byteOffset % 2 === 0) return new Uint16Array(data.buffer, data.byteOffset, data.length / 2);
  return new Uint16Array(aligned(data));
}

function aligned(data: Uint8Array): ArrayBuffer {
  return new Uint8Array(data).buffer;
}

function makeHalfTable(): Int32Array {
  const values = new Float32Array(65536);
  for (let half = 0; half < 65536; half++) {
    const sign = half & 0x8000 ? -1 : 1;
    const exponent = (half >> 10) & 31;
    const fraction = half & 1023;
    if (exponent === 0) values[half] = sign * fraction * 2 ** -24;
    else if (exponent === 31) values[half] = fraction === 0 ? sign * Infinity : NaN;
    else values[half] = sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
  }
  return new Int32Array(values.buffer);
}
