import { ZmeshError } from '../errors.js';
import { encodeSafetensors, parseSafetensors } from '../safetensors/safetensors.js';
import { toFloat32 } from '../safetensors/to-float32.js';
import type { Expert } from './model.js';

/** Rank of each matrix that an expert may adapt, by weight name. */
export type Ranks = ReadonlyMap<string, number>;

/**
 * Reads an expert's vectors from a safetensors file: one F32 vector a matrix, at least one. Checks the file alone:
 * BAD_SAFETENSORS for an unsound file or another dtype or shape, BAD_MULTIPLIER for NaN, infinite or negative numbers.
 */
export function readVectors(bytes: Uint8Array): Expert['multipliers'] {
  const { tensors } = parseSafetensors(bytes);
  if (tensors.size === 0)
    throw new ZmeshError('BAD_SAFETENSORS', 'the file holds no vectors', { field: 'vectors' });
  const multipliers = new Map<string, Float32Array>();
  for (const [name, tensor] of tensors) {
    if (tensor.dtype !== 'F32' || tensor.shape.length !== 1) {
      throw new ZmeshError(
        'BAD_SAFETENSORS',
        `${name} is ${tensor.dtype} [${tensor.shape.join(', ')}]; multipliers are one F32 vector a matrix`,
        {
          field: 'vectors',
          names: { matrix: name },
        },
      );
    }
    const vector = toFloat32(tensor);
    const bad = vector.findIndex((value) => !(Number.isFinite(value) && value >= 0));
    if (bad >= 0) {
      throw new ZmeshError(
        'BAD_MULTIPLIER',
        `multiplier ${bad} of ${name} is ${vector[bad]}; it must be finite and >= 0`,
        {
          field: 'vectors',
          value: vector[bad]!,
          limit: 0,
          names: { matrix: name },
        },
      );
    }
    multipliers.set(name, vector);
  }
  return multipliers;
}

/**
 * Checks vectors against a model: UNKNOWN_MATRIX for a matrix that is not in `ranks`, WRONG_SHAPE where a vector's length
 * is not the matrix's rank.
 */
export function checkVectors(multipliers: Expert['multipliers'], ranks: Ranks): void {
  for (const [name, vector] of multipliers) {
    const rank = ranks.get(name);
    if (rank === undefined)
      throw new ZmeshError('UNKNOWN_MATRIX', `the model has no adapted matrix ${name}`, {
        field: 'vectors',
        names: { matrix: name },
      });
    if (vector.length !== rank) {
      throw new ZmeshError('WRONG_SHAPE', `${name} has ${vector.length} multipliers, its rank is ${rank}`, {
        field: 'vectors',
        limit: rank,
        value: vector.length,
        names: { matrix: name },
      });
    }
  }
}

/** An expert's vectors as a safetensors file: F32, by rising name, so that equal vectors give equal bytes. */
export function writeVectors(
  multipliers: Expert['multipliers'],
  metadata: Readonly<Record<string, string>> = {},
): Uint8Array {
  const names = [...multipliers.keys()].sort();
  const tensors = names.map((name) => {
    const vector = multipliers.get(name)!;
    return {
      name,
      dtype: 'F32' as const,
      shape: [vector.length],
      data: new Uint8Array(vector.buffer, vector.byteOffset, vector.byteLength),
    };
  });
  return encodeSafetensors(tensors, metadata);
}
