import { ZmeshError } from '#shared/errors.js';
import { oneLine } from '#shared/one-line.js';
import { DTYPE_BYTES, type Dtype, isDtype } from './dtype.js';
import { parseStrictJson, type StrictJson } from './strict-json.js';

/** Largest header that the format allows. */
export const HEADER_BYTES_MAX = 100_000_000;

/** Where one tensor lies; row-major, little-endian. */
export interface TensorEntry {
  readonly name: string;
  readonly dtype: Dtype;
  /** Sizes, outermost first; [] is a scalar. */
  readonly shape: readonly number[];
  /** First byte, counted from the start of the file. */
  readonly offset: number;
  /** Number of bytes. */
  readonly length: number;
}

/** What a safetensors header says, checked. */
export interface SafetensorsHeader {
  /** By name, in the order of the header. */
  readonly tensors: ReadonlyMap<string, TensorEntry>;
  readonly metadata: ReadonlyMap<string, string>;
}

/** A BAD_SAFETENSORS error about `source` (a path, or what the bytes are). */
export function badSafetensors(source: string, fault: string, cause?: unknown): ZmeshError {
  return new ZmeshError('BAD_SAFETENSORS', `${source} is not a sound safetensors file: ${oneLine(fault)}`, {
    cause,
  });
}

/**
 * Reads the header's length from the first eight bytes of a file and checks it before anything is allocated.
 * @throws ZmeshError BAD_SAFETENSORS.
 */
export function headerLength(source: string, prefix: Uint8Array, fileBytes: number): number {
  if (fileBytes < 8) throw badSafetensors(source, `it has ${fileBytes} bytes, at least 8 are needed`);
  const view = new DataView(prefix.buffer, prefix.byteOffset, 8);
  const length = view.getBigUint64(0, true);
  if (length > BigInt(HEADER_BYTES_MAX)) {
    throw badSafetensors(source, `its header has ${length} bytes, the limit is ${HEADER_BYTES_MAX}`);
  }
  if (length > BigInt(fileBytes - 8)) {
    throw badSafetensors(source, `its header has ${length} bytes, but only ${fileBytes - 8} follow`);
  }
  return Number(length);
}

/**
 * Parses and checks a header: known dtypes, lengths that match shapes, tensors that fill the data without gap or overlap.
 * @param json the header's bytes, without the eight bytes of length.
 * @throws ZmeshError BAD_SAFETENSORS.
 */
export function parseHeader(source: string, json: Uint8Array, fileBytes: number): SafetensorsHeader {
  if (json[0] !== 0x7b) throw badSafetensors(source, 'its header does not begin with `{`');
  const tensors = new Map<string, TensorEntry>();
  let metadata: ReadonlyMap<string, string> = new Map();
  for (const [name, value] of parseRoot(source, json)) {
    if (name === '__metadata__') metadata = parseMetadata(source, value);
    else tensors.set(name, parseEntry(source, name, value, 8 + json.length));
  }
  checkCoverage(source, [...tensors.values()], 8 + json.length, fileBytes);
  return { tensors, metadata };
}

function parseRoot(source: string, json: Uint8Array): Map<string, StrictJson> {
  try {
    const root = parseStrictJson(new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(json));
    return root as Map<string, StrictJson>;
  } catch (error) {
    // The engine of regular expressions gives up on strings of some megabytes.
    const fault = error instanceof RangeError ? 'a string that is too long' : (error as Error).message;
    throw badSafetensors(source, `its header: ${fault}`, error);
  }
}

function parseMetadata(source: string, value: StrictJson): ReadonlyMap<string, string> {
  if (!(value instanceof Map)) throw badSafetensors(source, '`__metadata__` is not an object');
  for (const [key, text] of value) {
    if (typeof text !== 'string') throw badSafetensors(source, `\`__metadata__.${key}\` is not a string`);
  }
  return value as Map<string, string>;
}

function parseEntry(source: string, name: string, value: StrictJson, dataStart: number): TensorEntry {
  const fault = (what: string): ZmeshError => badSafetensors(source, `tensor \`${name}\`: ${what}`);
  if (!(value instanceof Map)) throw fault('its entry is not an object');
  const dtype = value.get('dtype');
  if (!isDtype(dtype)) {
    throw fault(
      `dtype ${JSON.stringify(dtype) ?? 'missing'}, known are ${Object.keys(DTYPE_BYTES).join(', ')}`,
    );
  }
  const shape = value.get('shape');
  if (!isSizes(shape)) throw fault('its shape is not a list of non-negative integers');
  const offsets = value.get('data_offsets');
  if (!isSizes(offsets) || offsets.length !== 2)
    throw fault('its data_offsets are not two non-negative integers');
  const [begin, end] = offsets as [number, number];
  const wanted = shape.reduce((product, size) => product * size, DTYPE_BYTES[dtype]);
  if (!Number.isSafeInteger(wanted)) throw fault(`shape [${shape}] overflows`);
  if (end - begin !== wanted) {
    throw fault(`shape [${shape}] of ${dtype} takes ${wanted} bytes, its data_offsets hold ${end - begin}`);
  }
  return { name, dtype, shape, offset: dataStart + begin, length: wanted };
}

function isSizes(value: StrictJson | undefined): value is number[] {
  return Array.isArray(value) && value.every((size) => Number.isSafeInteger(size) && Number(size) >= 0);
}

function checkCoverage(source: string, entries: TensorEntry[], dataStart: number, fileBytes: number): void {
  entries.sort((a, b) => a.offset - b.offset || a.length - b.length);
  let position = dataStart;
  for (const { name, offset, length } of entries) {
    if (offset !== position) {
      const what = offset < position ? 'overlaps the tensor before it' : 'leaves a gap before it';
      throw badSafetensors(source, `tensor \`${name}\` ${what} (byte ${offset - dataStart} of the data)`);
    }
    position += length;
  }
  if (position !== fileBytes) {
    throw badSafetensors(source, `its tensors end at byte ${position}, the file at byte ${fileBytes}`);
  }
}
