import { ZmeshError } from '../errors.js';
import { DTYPE_BYTES } from '../safetensors/dtype.js';
import { toFloat32 } from '../safetensors/to-float32.js';
import { openZip, type ZipFile } from '../zip.js';
import { type Callables, isGlobal, type PickleValue, readPickle } from './pickle.js';

/** Most bytes of a file's pickle and of one of its storages. */
const PICKLE_BYTES_MAX = 16 * 1024 * 1024;
const STORAGE_BYTES_MAX = 64 * 1024 * 1024;

/** Storage classes that are read, and their element types. */
const STORAGES: Readonly<Record<string, 'F32' | 'BF16' | 'F16'>> = {
  'torch FloatStorage': 'F32',
  'torch BFloat16Storage': 'BF16',
  'torch HalfStorage': 'F16',
};

/** A vector as the pickle describes it: where its numbers lie. */
interface TorchVector {
  readonly dtype: 'F32' | 'BF16' | 'F16';
  /** Name of the storage in the archive. */
  readonly key: string;
  /** Elements of the storage, of the vector, and before the vector. */
  readonly stored: number;
  readonly length: number;
  readonly offset: number;
}

/**
 * Reads a dictionary of vectors that PyTorch saved (`torch.save`, 1.6 or later): name → float32, bfloat16 or float16 vector, as f32.
 * Strict: no code of the file is run, no other type, shape or stride is read. Throws INVALID_FIELD with the reason.
 */
export function readTorchVectors(bytes: Uint8Array, field = 'file'): Map<string, Float32Array> {
  try {
    return read(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength));
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new ZmeshError('INVALID_FIELD', `not a PyTorch file of vectors: ${why}`, { field, cause });
  }
}

function read(archive: Buffer): Map<string, Float32Array> {
  const files = openZip(archive);
  const pickle = [...files.keys()].find((name) => /^[^/]+\/data\.pkl$/.test(name));
  if (pickle === undefined) throw new Error('it holds no data.pkl');
  const folder = pickle.slice(0, -'data.pkl'.length);
  const order = files.get(`${folder}byteorder`);
  if (order && bounded(order, 'byteorder', 16).toString() !== 'little')
    throw new Error('it is not little-endian');
  const value = readPickle(bounded(files.get(pickle)!, pickle, PICKLE_BYTES_MAX), CALLABLES, NAMEABLES);
  if (!(value instanceof Map)) throw new Error('it holds no dictionary');
  const vectors = new Map<string, Float32Array>();
  for (const [name, entry] of value) {
    const vector = madeVector(entry);
    if (!vector) throw new Error(`${JSON.stringify(name)} is no tensor`);
    vectors.set(name, numbers(files, folder, name, vector));
  }
  if (vectors.size === 0) throw new Error('its dictionary is empty');
  return vectors;
}

function numbers(
  files: ReadonlyMap<string, ZipFile>,
  folder: string,
  name: string,
  { dtype, key, stored, length, offset }: TorchVector,
): Float32Array {
  const file = files.get(`${folder}data/${key}`);
  if (!file) throw new Error(`the numbers of ${JSON.stringify(name)} are missing`);
  const data = bounded(file, `data/${key}`, STORAGE_BYTES_MAX);
  const size = DTYPE_BYTES[dtype];
  if (data.length !== stored * size)
    throw new Error(`data/${key} has ${data.length} bytes, not ${stored * size}`);
  return toFloat32({ dtype, data: data.subarray(offset * size, (offset + length) * size) });
}

function bounded(file: ZipFile, name: string, most: number): Buffer {
  if (file.bytes > most) throw new Error(`${name} has ${file.bytes} bytes; at most ${most}`);
  return file.read();
}

const CALLABLES: Callables = {
  'collections OrderedDict': (args) => {
    if (args.length > 0) throw new Error('an OrderedDict with arguments');
    return new Map();
  },
  // (storage, offset, size, stride, requires_grad, hooks)
  'torch._utils _rebuild_tensor_v2': ([storage, offset, size, stride]) => {
    const { dtype, key, stored } = storageOf(storage ?? null);
    const [length, ...more] = counts(size, 'shape');
    if (length === undefined || more.length > 0)
      throw new Error(`a tensor of shape [${counts(size, 'shape')}], not a vector`);
    const [step] = counts(stride, 'stride');
    if (step !== 1 && length > 1) throw new Error(`a vector with stride ${step}, not 1`);
    if (!isCount(offset) || offset + length > stored) throw new Error('a vector that leaves its storage');
    const vector: TorchVector = { dtype, key, stored, length, offset };
    return { kind: 'made', value: vector };
  },
  // (tensor, requires_grad, hooks)
  'torch._utils _rebuild_parameter': ([tensor]) => {
    if (!madeVector(tensor ?? null)) throw new Error('a parameter that is no tensor');
    return tensor!;
  },
};

const NAMEABLES: ReadonlySet<string> = new Set(Object.keys(STORAGES));

/** ('storage', class, key, device, elements) */
function storageOf(value: PickleValue): Pick<TorchVector, 'dtype' | 'key' | 'stored'> {
  const id =
    typeof value === 'object' && value !== null && 'kind' in value && value.kind === 'persistent' && value.id;
  const [kind, type, key, , stored] = Array.isArray(id) ? (id as readonly PickleValue[]) : [];
  const dtype = type !== undefined && isGlobal(type) ? STORAGES[type.name] : undefined;
  if (kind !== 'storage' || dtype === undefined || typeof key !== 'string' || !isCount(stored))
    throw new Error('a storage that is none');
  return { dtype, key, stored };
}

/** The vector that _rebuild_tensor_v2 made; only our own callables make anything. */
function madeVector(value: PickleValue): TorchVector | undefined {
  const made = typeof value === 'object' && value !== null && 'kind' in value && value.kind === 'made';
  return made ? (value.value as TorchVector) : undefined;
}

/** A tuple of whole numbers. Anything else is not even shown: its text could be without end. */
function counts(value: PickleValue | undefined, what: string): number[] {
  if (!Array.isArray(value) || !value.every(isCount))
    throw new Error(`a tensor whose ${what} is not made of whole numbers`);
  return value as number[];
}

function isCount(value: PickleValue | undefined): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}
