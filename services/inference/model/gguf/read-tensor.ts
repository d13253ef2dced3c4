import { type FileHandle, open } from 'node:fs/promises';
import { dequantise } from './dequantise.js';
import { badGguf } from './errors.js';
import type { GgufTensor } from './header.js';
import { unpermuteRows } from './weight-names.js';

/** Numbers dequantised at once: bounds the memory of reading a large matrix. */
const CHUNK_ELEMENTS = 1 << 20;

/** A whole tensor as f32, row-major. `permutedHeadSize`: undo the rotary permutation in heads of that many rows; null = none. */
export async function readGgufTensor(
  path: string,
  tensor: GgufTensor,
  permutedHeadSize: number | null,
): Promise<Float32Array> {
  const file = await open(path, 'r');
  try {
    const values = new Float32Array(elementsOf(tensor));
    let position = 0;
    for await (const part of ggufFloats(file, path, { tensor, permutedHeadSize })) {
      values.set(part, position);
      position += part.length;
    }
    return values;
  } finally {
    await file.close();
  }
}

/** A tensor's numbers as f32 in row order, some whole rows at a time; each chunk is valid until the next. */
export async function* ggufFloats(
  file: FileHandle,
  path: string,
  { tensor, permutedHeadSize }: { readonly tensor: GgufTensor; readonly permutedHeadSize: number | null },
): AsyncGenerator<Float32Array> {
  const columns = tensor.shape.length === 1 ? 1 : tensor.shape.at(-1)!;
  const rows = elementsOf(tensor) / columns;
  const unit = tensor.shape.length === 1 ? rows : (permutedHeadSize ?? 1);
  const rowsPerChunk = Math.min(rows, Math.max(1, Math.floor(CHUNK_ELEMENTS / (unit * columns))) * unit);
  const rowBytes = tensor.bytes / rows;
  const bytes = Buffer.alloc(rowsPerChunk * rowBytes);
  const values = new Float32Array(rowsPerChunk * columns);
  for (let row = 0; row < rows; row += rowsPerChunk) {
    const count = Math.min(rowsPerChunk, rows - row);
    const chunk = bytes.subarray(0, count * rowBytes);
    await readFully(file, path, chunk, tensor.offset + row * rowBytes);
    const out = values.subarray(0, count * columns);
    dequantise(tensor.type, chunk, out);
    if (permutedHeadSize !== null) unpermuteRows(out, count, columns, permutedHeadSize);
    yield out;
  }
}

const elementsOf = (tensor: GgufTensor): number => tensor.shape.reduce((product, size) => product * size, 1);

async function readFully(file: FileHandle, path: string, target: Buffer, position: number): Promise<void> {
  for (let done = 0; done < target.length; ) {
    const { bytesRead } = await file.read(target, done, target.length - done, position + done);
    if (bytesRead === 0) throw badGguf(path, `it ends at byte ${position + done} while being read`);
    done += bytesRead;
  }
}
