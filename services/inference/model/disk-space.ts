import { statfs } from 'node:fs/promises';
import { ZmeshError } from '#shared/errors.js';
import type { CheckpointWeight } from './checkpoint.js';
import type { LinearShape } from './prepared.js';

/** Bytes of a matrix's factors on disk: U and Vᵀ in f32, σ in f64. */
export function factorBytes({ rows, columns }: LinearShape): number {
  const rank = Math.min(rows, columns);
  return 4 * rank * (rows + columns) + 8 * rank;
}

/** Bytes of weights that are kept whole, in f32. */
export function denseBytes(weights: readonly CheckpointWeight[]): number {
  return weights.reduce((sum, { shape }) => sum + 4 * shape.reduce((a, b) => a * b, 1), 0);
}

/**
 * Refuses to begin what the disk cannot hold.
 * @throws ZmeshError TOO_LARGE with both numbers.
 */
export async function checkDiskSpace(folder: string, neededBytes: number): Promise<void> {
  const { bavail, bsize } = await statfs(folder);
  const freeBytes = bavail * bsize;
  if (neededBytes <= freeBytes) return;
  const megabytes = (bytes: number): string => `${Math.ceil(bytes / 1e6)} MB`;
  const message = `the prepared model needs ${megabytes(neededBytes)}, the disk of ${folder} has ${megabytes(freeBytes)} free`;
  throw new ZmeshError('TOO_LARGE', message, { limit: freeBytes, value: neededBytes });
}
