import { seededUniform } from './random-matrices.js';

/** Numbers in [−1, 1) that depend on the seed alone. */
export function randomNumbers(length: number, seed: number): Float64Array {
  const uniform = seededUniform(seed);
  return Float64Array.from({ length }, () => 2 * uniform() - 1);
}
