import { access, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { ZmeshError } from '#shared/errors.js';
import { oneLine } from '#shared/one-line.js';
import type { Dtype } from '#shared/safetensors/dtype.js';
import type { TensorEntry } from '#shared/safetensors/header.js';
import { openSafetensors, type SafetensorsFile } from '#shared/safetensors/read-file.js';
import { canonicalWeights, type WeightShape } from './canonical.js';
import { type JsonFields, parseJsonFields } from './json-fields.js';
import type { ModelConfig } from './prepared.js';
import { readTextFile } from './read-text-file.js';
import { shardsOf } from './shards.js';
import type { WeightPlace } from './weight-place.js';

/** Element types that a checkpoint's weights may have. */
const WEIGHT_DTYPES: readonly Dtype[] = ['F32', 'F16', 'BF16'];

/** Names listed in full in an error; the rest is counted. */
const NAMES_SHOWN = 5;

/** One weight of a checkpoint. */
export interface CheckpointWeight extends WeightShape {
  /** Where it lies, for other threads. */
  readonly place: WeightPlace;
  /** Its numbers as f32 in row order, in chunks; each chunk is valid until the next. */
  floats(): AsyncIterable<Float32Array>;
}

/** The weights of a checkpoint, checked against its config; nothing is read into memory yet. */
export interface Checkpoint {
  /** In canonical order. */
  readonly weights: readonly CheckpointWeight[];
  close(): Promise<void>;
}

/**
 * Reads a JSON file of a checkpoint's folder; null if it is not there and not required.
 * @throws ZmeshError INVALID_FIELD.
 */
export async function readFolderJson(
  folder: string,
  name: string,
  required: boolean,
): Promise<JsonFields | null> {
  const path = join(folder, name);
  const text = await readTextFile(path);
  if (text !== null) return parseJsonFields(path, text);
  if (required) throw await notACheckpoint(folder, name);
  return null;
}

/**
 * Opens the weights of a folder: `model.safetensors`, or the shards that `model.safetensors.index.json` names.
 * @throws ZmeshError INVALID_FIELD for missing, unexpected or misshapen weights, all named in one message; BAD_SAFETENSORS.
 */
export async function openCheckpoint(folder: string, config: ModelConfig): Promise<Checkpoint> {
  const files: SafetensorsFile[] = [];
  const close = async (): Promise<void> => {
    await Promise.all(files.map((file) => file.close()));
  };
  try {
    for (const name of await weightFiles(folder)) files.push(await openShard(folder, name));
    return { weights: match(folder, files, config), close };
  } catch (error) {
    await close();
    throw error;
  }
}

async function weightFiles(folder: string): Promise<string[]> {
  if (await exists(join(folder, 'model.safetensors'))) return ['model.safetensors'];
  const index = await readFolderJson(folder, 'model.safetensors.index.json', false);
  if (index === null)
    throw await notACheckpoint(folder, 'model.safetensors (nor model.safetensors.index.json)');
  return shardsOf(index);
}

async function openShard(folder: string, name: string): Promise<SafetensorsFile> {
  try {
    return await openSafetensors(join(folder, name));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') throw await notACheckpoint(folder, name);
    throw error;
  }
}

function match(folder: string, files: readonly SafetensorsFile[], config: ModelConfig): CheckpointWeight[] {
  const found = collect(folder, files);
  const weights: CheckpointWeight[] = [];
  const faults: string[] = [];
  const missing: string[] = [];
  for (const { name, shape } of canonicalWeights(config)) {
    const place = found.get(name);
    found.delete(name);
    if (place === undefined) missing.push(name);
    else if (!WEIGHT_DTYPES.includes(place.entry.dtype)) {
      faults.push(`${name} is ${place.entry.dtype}, supported are ${WEIGHT_DTYPES.join(', ')}`);
    } else if (place.entry.shape.join() !== shape.join()) {
      faults.push(`${name} has shape [${place.entry.shape}], the config asks for [${shape}]`);
    } else {
      const { entry, file } = place;
      const at = { kind: 'safetensors', path: file.path, entry } as const;
      weights.push({ name, shape, place: at, floats: () => file.floats(entry) });
    }
  }
  const extra = [...found.keys()].filter((name) => !isHarmless(name, config));
  if (missing.length > 0) faults.unshift(`missing: ${shorten(missing)}`);
  if (extra.length > 0) faults.push(`not part of ${config.architecture}: ${shorten(extra)}`);
  if (faults.length === 0) return weights;
  throw new ZmeshError(
    'INVALID_FIELD',
    `${folder}: the weights do not fit config.json: ${shorten(faults, '; ')}`,
  );
}

function collect(
  folder: string,
  files: readonly SafetensorsFile[],
): Map<string, { entry: TensorEntry; file: SafetensorsFile }> {
  const found = new Map<string, { entry: TensorEntry; file: SafetensorsFile }>();
  for (const file of files) {
    for (const entry of file.tensors.values()) {
      if (found.has(entry.name)) {
        throw new ZmeshError(
          'INVALID_FIELD',
          `${folder}: weight ${oneLine(entry.name, 80)} is in more than one shard`,
        );
      }
      found.set(entry.name, { entry, file });
    }
  }
  return found;
}

/** Old checkpoints store the rotary frequencies; some store a tied head a second time. transformers ignores both. */
function isHarmless(name: string, config: ModelConfig): boolean {
  return name.endsWith('.rotary_emb.inv_freq') || (config.tiedEmbeddings && name === 'lm_head.weight');
}

function shorten(names: readonly string[], separator = ', '): string {
  const more = names.length - NAMES_SHOWN;
  const shown = names.slice(0, NAMES_SHOWN).map((name) => oneLine(name));
  return shown.join(separator) + (more > 0 ? `${separator}and ${more} more` : '');
}

async function notACheckpoint(folder: string, name: string): Promise<ZmeshError> {
  const kind = await stat(folder).catch(() => null);
  const there =
    kind === null
      ? 'there is no such folder'
      : kind.isDirectory()
        ? `it has no ${name}`
        : 'it is not a folder';
  const message = `${folder} is not a Hugging Face checkpoint: ${there}`;
  return new ZmeshError('INVALID_FIELD', message, { field: 'folder', value: folder });
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
