import { readFileSync } from 'node:fs';

/** A tensor of a golden file: numbers as stored (F32 or F64), row-major. */
export interface GoldenTensor {
  readonly shape: readonly number[];
  readonly data: Float32Array | Float64Array;
}

/** Reads a trusted safetensors file of F32 and F64 tensors; independent of the product's own reader. */
export function readGoldenTensors(path: string | URL): Map<string, GoldenTensor> {
  const bytes = readFileSync(path);
  const start = 8 + Number(bytes.readBigUInt64LE(0));
  const header: Record<string, { dtype: string; shape: number[]; data_offsets: [number, number] }> =
    JSON.parse(bytes.toString('utf8', 8, start));
  const tensors = new Map<string, GoldenTensor>();
  for (const [name, { dtype, shape, data_offsets: range }] of Object.entries(header)) {
    if (name === '__metadata__') continue;
    const { buffer } = new Uint8Array(bytes.subarray(start + range[0], start + range[1]));
    tensors.set(name, { shape, data: dtype === 'F64' ? new Float64Array(buffer) : new Float32Array(buffer) });
  }
  return tensors;
}
