import { join } from 'node:path';
import { ZmeshError } from '#shared/errors.js';
import type { TensorEntry } from '#shared/safetensors/header.js';
import { openSafetensors } from '#shared/safetensors/read-file.js';
import type { StoredTensor } from '../graph/builder.js';
import type { WeightFiles } from '../graph/serving.js';
import type { PreparedModel } from '../model/prepared.js';

/** Weights that are not factored, in a prepared model's folder. */
const PLAIN_FILE = 'weights.safetensors';

/**
 * Finds every tensor of a prepared model: reads the headers, not the data.
 * @throws ZmeshError CORRUPT when a file or tensor is missing or not as the model says.
 */
export async function locateWeights(folder: string, model: PreparedModel): Promise<WeightFiles> {
  const plain = await readHeader(folder, PLAIN_FILE);
  const factors = new Map<string, { u: StoredTensor; vt: StoredTensor }>();
  for (const { name, rows, columns } of model.adapted) {
    const location = `factors/${name}.safetensors`;
    const tensors = await readHeader(folder, location);
    const rank = Math.min(rows, columns);
    const expect = (tensor: string, shape: readonly number[]) => {
      const found = tensors.get(tensor);
      if (found && found.shape.join() === shape.join()) return found;
      throw corrupt(join(folder, location), `f32 tensor \`${tensor}\` of shape [${shape}] is not there`);
    };
    factors.set(name, { u: expect('u', [rows, rank]), vt: expect('vt', [rank, columns]) });
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

/** The f32 tensors of one file by name. */
async function readHeader(folder: string, location: string): Promise<Map<string, StoredTensor>> {
  const path = join(folder, location);
  try {
    const file = await openSafetensors(path);
    await file.close();
    const entries = [...file.tensors.values()].filter(({ dtype }) => dtype === 'F32');
    return new Map(entries.map((entry) => [entry.name, stored(entry, location)]));
  } catch (error) {
    throw corrupt(path, error instanceof Error ? error.message : String(error), error);
  }
}

function stored({ shape, offset, length }: TensorEntry, location: string): StoredTensor {
  return { shape, location, offset, bytes: length };
}

function corrupt(path: string, fault: string, cause?: unknown): ZmeshError {
  return new ZmeshError('CORRUPT', `prepared model: ${path}: ${fault}`, { names: { file: path }, cause });
}
