import type { FileHandle } from 'node:fs/promises';
import { BLOCK_TYPES, type BlockType, OTHER_TYPES } from './block-types.js';
import { Cursor, type MetadataValue, WindowTooSmall } from './cursor.js';
import { badGguf } from './errors.js';

/** Longest header that is read: metadata, vocabulary and tensor list of the largest published files are under 32 MiB. */
export const HEADER_BYTES_MAX = 256 * 1024 * 1024;
const FIRST_WINDOW_BYTES = 16 * 1024 * 1024;
const MAGIC = 0x46554747;
/** Most metadata keys and most tensors; chosen far above the few thousand tensors of large models. */
const KEYS_MAX = 16_384;
const TENSORS_MAX = 65_536;
const RANK_MAX = 4;
const ALIGNMENT_MAX = 65536;
/** Smallest key-value (length, type, one byte) and tensor entry (length, rank, one dimension, type, offset). */
const KEY_VALUE_BYTES_MIN = 13;
const TENSOR_BYTES_MIN = 32;

/** Where one tensor lies and how it is stored. */
export interface GgufTensor {
  readonly name: string;
  /** Row-major: slowest dimension first (the file lists them the other way round). */
  readonly shape: readonly number[];
  readonly type: BlockType;
  /** Absolute position of its first byte. */
  readonly offset: number;
  /** Bytes it occupies. */
  readonly bytes: number;
}

/** What a GGUF file says before its data. */
export interface GgufHeader {
  readonly version: number;
  readonly metadata: ReadonlyMap<string, MetadataValue>;
  readonly tensors: ReadonlyMap<string, GgufTensor>;
}

/**
 * Reads and checks the header of a GGUF file (v2 and v3, little-endian): counts and lengths against the bytes that are
 * there before anything is allocated, no name twice, tensors aligned, inside the file, not overlapping.
 * Throws INVALID_FIELD that names the file and the fault.
 */
export async function readGgufHeader(file: FileHandle, name: string): Promise<GgufHeader> {
  const { size } = await file.stat();
  for (let windowBytes = FIRST_WINDOW_BYTES; ; windowBytes *= 4) {
    const window = Buffer.alloc(Math.min(size, windowBytes, HEADER_BYTES_MAX));
    await file.read(window, 0, window.length, 0);
    try {
      return parseGgufHeader(window, size, name);
    } catch (thrown) {
      if (!(thrown instanceof WindowTooSmall)) throw thrown;
      if (windowBytes >= HEADER_BYTES_MAX) {
        throw badGguf(name, `its header is longer than ${HEADER_BYTES_MAX} bytes`, {
          limit: HEADER_BYTES_MAX,
        });
      }
    }
  }
}

/** As readGgufHeader, for the file's first bytes in memory. Throws WindowTooSmall where they do not reach the header's end. */
export function parseGgufHeader(window: Buffer, fileBytes: number, name: string): GgufHeader {
  const cursor = new Cursor(window, fileBytes, name);
  if (cursor.u32() !== MAGIC) throw badGguf(name, 'not a GGUF file: it does not begin with "GGUF"');
  const version = cursor.u32();
  if (version !== 2 && version !== 3)
    throw badGguf(name, `GGUF version ${version} cannot be read, only 2 and 3 (little-endian)`, {
      value: version,
    });
  const tensorCount = cursor.count('the number of tensors', TENSOR_BYTES_MIN, TENSORS_MAX);
  const keyCount = cursor.count('the number of metadata keys', KEY_VALUE_BYTES_MIN, KEYS_MAX);
  const metadata = readMetadata(cursor, keyCount, name);
  const entries = Array.from({ length: tensorCount }, () => readEntry(cursor, name));
  const alignment = alignmentOf(metadata, name);
  const dataStart = Math.ceil(cursor.position / alignment) * alignment;
  return { version, metadata, tensors: place(entries, { dataStart, alignment, fileBytes, name }) };
}

function readMetadata(cursor: Cursor, count: number, name: string): Map<string, MetadataValue> {
  const metadata = new Map<string, MetadataValue>();
  for (let i = 0; i < count; i++) {
    const key = cursor.string(`metadata key ${i}`);
    if (metadata.has(key)) throw badGguf(name, `metadata key "${key}" stands twice`);
    metadata.set(key, cursor.value(`metadata "${key}"`, cursor.u32()));
  }
  return metadata;
}

interface Entry {
  readonly name: string;
  readonly shape: readonly number[];
  readonly type: BlockType;
  readonly offset: number;
}

function readEntry(cursor: Cursor, file: string): Entry {
  const name = cursor.string('a tensor name');
  const rank = cursor.u32();
  if (rank < 1 || rank > RANK_MAX)
    throw badGguf(file, `tensor "${name}" has ${rank} dimensions`, { limit: RANK_MAX, value: rank });
  const shape = Array.from({ length: rank }, () => cursor.u64(`a dimension of "${name}"`)).reverse();
  const typeNumber = cursor.u32();
  const type = BLOCK_TYPES.get(typeNumber);
  if (!type) {
    const readable = [...BLOCK_TYPES.values()].map((known) => known.name).join(', ');
    throw badGguf(
      file,
      `tensor "${name}" is ${OTHER_TYPES.get(typeNumber) ?? `of type ${typeNumber}`}, which cannot be read; supported: ${readable}`,
      { value: typeNumber },
    );
  }
  return { name, shape, type, offset: cursor.u64(`the offset of "${name}"`) };
}

function alignmentOf(metadata: ReadonlyMap<string, MetadataValue>, name: string): number {
  const alignment = metadata.get('general.alignment') ?? 32;
  if (
    typeof alignment !== 'number' ||
    alignment < 1 ||
    alignment > ALIGNMENT_MAX ||
    (alignment & (alignment - 1)) !== 0
  ) {
    throw badGguf(
      name,
      `general.alignment is ${String(alignment).slice(0, 40)}; it must be a power of two up to ${ALIGNMENT_MAX}`,
    );
  }
  return alignment;
}

interface Room {
  readonly dataStart: number;
  readonly alignment: number;
  readonly fileBytes: number;
  readonly name: string;
}

function place(entries: readonly Entry[], room: Room): Map<string, GgufTensor> {
  const tensors = new Map<string, GgufTensor>();
  for (const entry of entries) {
    if (tensors.has(entry.name)) throw badGguf(room.name, `tensor "${entry.name}" stands twice`);
    tensors.set(entry.name, placeOne(entry, room));
  }
  let end = 0;
  let before = '';
  for (const tensor of [...tensors.values()].sort((a, b) => a.offset - b.offset)) {
    if (tensor.offset < end) throw badGguf(room.name, `tensors "${before}" and "${tensor.name}" overlap`);
    end = tensor.offset + tensor.bytes;
    before = tensor.name;
  }
  return tensors;
}

function placeOne(entry: Entry, room: Room): GgufTensor {
  const { name, shape, type } = entry;
  const columns = shape.at(-1)!;
  if (columns % type.elements !== 0)
    throw badGguf(
      room.name,
      `tensor "${name}" is ${type.name} in blocks of ${type.elements}, but its rows have ${columns} numbers`,
    );
  if (entry.offset % room.alignment !== 0)
    throw badGguf(
      room.name,
      `tensor "${name}" begins at ${entry.offset}, which is not a multiple of ${room.alignment}`,
    );
  const elements = shape.reduce((product, size) => product * size, 1);
  const bytes = (elements / type.elements) * type.bytes;
  const offset = room.dataStart + entry.offset;
  if (!(elements > 0) || !Number.isSafeInteger(elements) || offset + bytes > room.fileBytes) {
    throw badGguf(
      room.name,
      `tensor "${name}" [${shape.join(', ')}] ${type.name} needs bytes ${offset} to ${offset + bytes}, the file has ${room.fileBytes}`,
      { limit: room.fileBytes, value: offset + bytes },
    );
  }
  return { name, shape, type, offset, bytes };
}
