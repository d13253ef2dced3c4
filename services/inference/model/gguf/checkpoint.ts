import type { FileHandle } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { openRegularFile } from '#shared/regular-file.js';
import { canonicalWeights } from '../canonical.js';
import type { Checkpoint, CheckpointWeight } from '../checkpoint.js';
import type { ModelConfig } from '../prepared.js';
import { badGguf } from './errors.js';
import { type GgufHeader, type GgufTensor, readGgufHeader } from './header.js';
import { ggufFloats } from './read-tensor.js';
import { ggufName, isPermuted } from './weight-names.js';

/** One file of a GGUF model. */
export interface GgufPart {
  readonly path: string;
  readonly header: GgufHeader;
}

/** A model's GGUF files, first one first: its metadata are the model's. */
export interface GgufModel {
  readonly parts: readonly GgufPart[];
  /** All parts' tensors, by GGUF's names. */
  readonly tensors: ReadonlyMap<string, GgufTensor & { readonly path: string }>;
}

const PART_NAME = /^(.*)-(\d{5})-of-(\d{5})\.gguf$/i;
const PARTS_MAX = 1000;

/**
 * Opens a GGUF file, or all parts of one that is split (`…-00001-of-0000N.gguf`; any part may be named), and reads the
 * headers. Throws INVALID_FIELD for missing parts, parts that do not belong together, and what readGgufHeader refuses.
 */
export async function openGgufModel(path: string): Promise<GgufModel> {
  const parts: GgufPart[] = [];
  for (const part of partPaths(path)) parts.push({ path: part, header: await readHeader(part) });
  const tensors = new Map<string, GgufTensor & { readonly path: string }>();
  for (const part of parts) {
    for (const [name, tensor] of part.header.tensors) {
      if (tensors.has(name)) throw badGguf(part.path, `tensor "${name}" stands in another part too`);
      tensors.set(name, { ...tensor, path: part.path });
    }
  }
  checkSplit(parts, tensors.size);
  return { parts, tensors };
}

/**
 * A model's weights, checked against its config. Throws INVALID_FIELD naming every missing, unexpected or misshapen weight.
 */
export async function openGgufCheckpoint(model: GgufModel, config: ModelConfig): Promise<Checkpoint> {
  const architecture = String(model.parts[0]!.header.metadata.get('general.architecture'));
  const places = match(model, config, architecture);
  const files = new Map<string, FileHandle>();
  for (const { path } of model.parts) {
    files.set(path, await openRegularFile(path, (fault) => badGguf(path, fault)));
  }
  const weights: CheckpointWeight[] = places.map((weight) => ({
    ...weight,
    floats: () => ggufFloats(files.get(weight.place.path)!, weight.place.path, weight.place),
  }));
  const close = async (): Promise<void> => {
    await Promise.all([...files.values()].map((file) => file.close()));
  };
  return { weights, close };
}

function match(model: GgufModel, config: ModelConfig, architecture: string) {
  const unused = new Set(model.tensors.keys());
  // The scaling of rotary frequencies is part of the config, not a weight.
  unused.delete('rope_freqs.weight');
  if (config.tiedEmbeddings) unused.delete('output.weight');
  const faults: string[] = [];
  const places = canonicalWeights(config).flatMap(({ name, shape }) => {
    const stored = ggufName(name) ?? name;
    unused.delete(stored);
    const tensor = model.tensors.get(stored);
    if (!tensor) faults.push(`missing: ${stored}`);
    else if (tensor.shape.join() !== shape.join()) {
      faults.push(`${stored} has shape [${tensor.shape}], its metadata ask for [${shape}]`);
    } else {
      const permutedHeadSize = isPermuted(architecture, name) ? config.headSize : null;
      return [{ name, shape, place: { kind: 'gguf' as const, path: tensor.path, tensor, permutedHeadSize } }];
    }
    return [];
  });
  for (const name of unused) faults.push(`not part of ${architecture}: ${name}`);
  if (faults.length === 0) return places;
  const shown = faults.slice(0, 5).join('; ') + (faults.length > 5 ? `; and ${faults.length - 5} more` : '');
  throw badGguf(model.parts[0]!.path, `the weights do not fit: ${shown}`);
}

/** Paths of all parts of a GGUF model, of which any one is named; the path itself if it is not split. Throws INVALID_FIELD. */
export function partPaths(path: string): string[] {
  const [, stem, , total] = PART_NAME.exec(basename(path)) ?? [];
  if (total === undefined) return [path];
  const count = Number(total);
  if (count < 1 || count > PARTS_MAX)
    throw badGguf(path, `split into ${count} parts`, { limit: PARTS_MAX, value: count });
  return Array.from({ length: count }, (_, index) =>
    join(dirname(path), `${stem}-${String(index + 1).padStart(5, '0')}-of-${total}.gguf`),
  );
}

function checkSplit(parts: readonly GgufPart[], tensors: number): void {
  parts.forEach(({ path, header }, index) => {
    const number = header.metadata.get('split.no') ?? index;
    const count = header.metadata.get('split.count') ?? (parts.length === 1 ? 1 : undefined);
    if (number === index && (count === parts.length || (count === 0 && parts.length === 1))) return;
    throw badGguf(
      path,
      `it says it is part ${Number(number) + 1} of ${String(count)}, its name says ${index + 1} of ${parts.length}`,
    );
  });
  const total = parts[0]!.header.metadata.get('split.tensors.count') ?? tensors;
  if (total !== tensors)
    throw badGguf(parts[0]!.path, `its parts hold ${tensors} tensors, it says ${String(total)}`);
}

async function readHeader(path: string): Promise<GgufHeader> {
  let file: FileHandle;
  try {
    file = await openRegularFile(path, (fault) => badGguf(path, fault));
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT')
      throw badGguf(path, 'there is no such file', { cause });
    throw cause;
  }
  try {
    return await readGgufHeader(file, path);
  } finally {
    await file.close();
  }
}
