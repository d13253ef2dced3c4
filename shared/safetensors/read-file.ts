import type { FileHandle } from 'node:fs/promises';
import { openRegularFile } from '#shared/regular-file.js';
import { DTYPE_BYTES } from './dtype.js';
import {
  badSafetensors,
  headerLength,
  parseHeader,
  type SafetensorsHeader,
  type TensorEntry,
} from './header.js';
import { convertInto } from './to-float32.js';

/** Bytes read at once: the fastest size measured for reading with conversion. */
const CHUNK_BYTES = 1 << 22;

/** An open safetensors file: the header is in memory, tensors are read from their place in the file. */
export interface SafetensorsFile extends SafetensorsHeader {
  readonly path: string;
  /** The tensor's bytes in order, in chunks of at most 4 MiB; each chunk is valid until the next. */
  chunks(entry: TensorEntry): AsyncGenerator<Uint8Array>;
  /** The tensor's elements as f32 in order, in chunks of at most 2 Mi elements; each chunk is valid until the next. */
  floats(entry: TensorEntry): AsyncGenerator<Float32Array>;
  /** The whole tensor as f32. */
  readFloat32(entry: TensorEntry): Promise<Float32Array>;
  /** The whole tensor's bytes. */
  readBytes(entry: TensorEntry): Promise<Uint8Array>;
  close(): Promise<void>;
}

/**
 * Opens a file and checks its header; the data are not read.
 * @throws ZmeshError BAD_SAFETENSORS; a missing file is Node's ENOENT.
 */
export async function openSafetensors(path: string): Promise<SafetensorsFile> {
  const file = await openRegularFile(path, (fault) => badSafetensors(path, fault));
  try {
    const { size } = await file.stat();
    const prefix = new Uint8Array(8);
    await readFully(file, path, prefix.subarray(0, Math.min(8, size)), 0);
    const json = new Uint8Array(headerLength(path, prefix, size));
    await readFully(file, path, json, 8);
    return openFile(file, path, parseHeader(path, json, size));
  } catch (error) {
    await file.close();
    throw error;
  }
}

function openFile(file: FileHandle, path: string, header: SafetensorsHeader): SafetensorsFile {
  const chunks = (entry: TensorEntry): AsyncGenerator<Uint8Array> => readChunks(file, path, entry);
  return {
    ...header,
    path,
    chunks,
    floats: (entry) => convertChunks(chunks(entry), entry),
    async readFloat32(entry) {
      const values = new Float32Array(entry.length / DTYPE_BYTES[entry.dtype]);
      let position = 0;
      for await (const part of convertChunks(chunks(entry), entry)) {
        values.set(part, position);
        position += part.length;
      }
      return values;
    },
    async readBytes(entry) {
      const bytes = new Uint8Array(entry.length);
      await readFully(file, path, bytes, entry.offset);
      return bytes;
    },
    close: () => file.close(),
  };
}

async function* readChunks(file: FileHandle, path: string, entry: TensorEntry): AsyncGenerator<Uint8Array> {
  const buffer = new Uint8Array(Math.min(CHUNK_BYTES, entry.length));
  for (let start = 0; start < entry.length; start += CHUNK_BYTES) {
    const chunk = buffer.subarray(0, Math.min(CHUNK_BYTES, entry.length - start));
    await readFully(file, path, chunk, entry.offset + start);
    yield chunk;
  }
}

async function* convertChunks(
  chunks: AsyncIterable<Uint8Array>,
  entry: TensorEntry,
): AsyncGenerator<Float32Array> {
  const width = DTYPE_BYTES[entry.dtype];
  const buffer = new Float32Array(Math.min(CHUNK_BYTES, entry.length) / width);
  for await (const chunk of chunks) {
    const values = buffer.subarray(0, chunk.length / width);
    convertInto(values, entry.dtype, chunk);
    yield values;
  }
}

async function readFully(
  file: FileHandle,
  path: string,
  target: Uint8Array,
  position: number,
): Promise<void> {
  const stepBytes = 1 << 28;
  for (let done = 0; done < target.length; ) {
    const length = Math.min(stepBytes, target.length - done);
    const { bytesRead } = await file.read(target, done, length, position + done);
    if (bytesRead === 0) throw badSafetensors(path, `it ends at byte ${position + done} while being read`);
    done += bytesRead;
  }
}
