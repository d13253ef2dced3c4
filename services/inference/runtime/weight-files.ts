import { join } from 'node:path';
import { ZmeshError } from '#shared/errors.js';
import type { TensorEntry } from '#shared/safetensors/header.js';
import { openSafetensors } from '#shared/safetensors/read-file.js';
import type { StoredTensor } from '../graph/builder.js';
import type { WeightFiles } from '../graph/model-weights.js';
import { canonicalWeights, type WeightShape } from '../model/canonical.js';
import type { PreparedModel } from '../model/prepared.js';
import { denseFile, factorFile } from '../model/prepared-files.js';

/**
 * Finds every tensor of a prepared model: reads the headers, not the data.
 * @throws ZmeshError CORRUPT when a file or tensor is missing or not as the model says.
 */
export async function locateWeights(folder: string, model: PreparedModel): Promise<WeightFiles> {
  const adapted = new Set(model.adapted.map(({ name }) => name));
  const whole = canonicalWeights(model.config).filter(({ name }) => !adapted.has(name));
  const plain = await locate(folder, denseFile('.'), whole);
  const factors = new Map<string, { u: StoredTensor; vt: StoredTensor }>();
  for (const { name, rows, columns } of model.adapted) {
    const rank = Math.min(rows, columns);
    const found = await locate(folder, factorFile('.', name), [
      { name: 'u', shape: [rows, rank] },
      { name: 'vt', shape: [rank, columns] },
    ]);
    factors.set(name, { u: found.get('u')!, vt: found.get('vt')! });
  }
  return { plain, factors };
}

/** Bytes of all tensors that a graph reads. */
export function weightBytes(weights: WeightFiles): number {
  let bytes = 0;
  for (const tensor of weights.plain.values()) bytes += tensor.bytes;
  for (const { u, vt } of weights.factors.values()) bytes += u.bytes + vt.bytes;
  return bytes;
}

/** Finds the given f32 tensors in one file. */
async function locate(
  folder: string,
  location: string,
  wanted: readonly WeightShape[],
): Promise<Map<string, StoredTensor>> {
  const path = join(folder, location);
  const tensors = await readHeader(path);
  return new Map(
    wanted.map(({ name, shape }) => {
      const found = tensors.get(name);
      if (found?.dtype !== 'F32' || found.shape.join() !== shape.join()) {
        const given = found ? `${found.dtype} [${found.shape}]` : 'missing';
        throw corrupt(path, `tensor \`${name}\` should be F32 [${shape}] and is ${given}`);
      }
      return [name, { shape, location, offset: found.offset, bytes: found.length }];
    }),
  );
}

async function readHeader(path: string): Promise<ReadonlyMap<string, TensorEntry>> {
  try {
    const file = await openSafetensors(path);
    await file.close();
    return file.tensors;
  } catch (error) {
    throw corrupt(path, error instanceof Error ? error.message : String(error), error);
  }
}

function corrupt(path: string, fault: string, cause?: unknown): ZmeshError {
  return new ZmeshError('CORRUPT', `prepared model: ${path}: ${fault}`, { names: { file: path }, cause });
}
