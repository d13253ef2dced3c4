import { createHash } from 'node:crypto';
import { RandomStream } from '#shared/random.js';

/** What makes a draw of a run one of its own. */
export interface DrawKey {
  readonly seed: bigint;
  /** Step of the run, from 0. */
  readonly step: number;
  /** What the draw is for: `rollout`, `batch`, … */
  readonly purpose: string;
  /** Which draw of this purpose in this step, from 0. */
  readonly index: number;
}

/**
 * The 64-bit seed of one draw: the first 8 bytes, little-endian, of SHA-256 over `zmesh-draw-1` and the key's parts.
 * It depends on the key alone, so a run that is resumed, or whose calls finish in another order, draws the same.
 */
export function drawSeed({ seed, step, purpose, index }: DrawKey): bigint {
  const text = ['zmesh-draw-1', BigInt.asUintN(64, seed), step, purpose, index].join('\n');
  return createHash('sha256').update(text).digest().readBigUInt64LE(0);
}

/** A random stream for one draw. */
export function drawStream(key: DrawKey): RandomStream {
  return new RandomStream(drawSeed(key), 0);
}

/** `count` standard normal numbers (Box–Muller, both of each pair used). */
export function normals(stream: RandomStream, count: number): Float64Array {
  const values = new Float64Array(count);
  for (let i = 0; i < count; i += 2) {
    const radius = Math.sqrt(-2 * Math.log(1 - stream.uniform()));
    const angle = 2 * Math.PI * stream.uniform();
    values[i] = radius * Math.cos(angle);
    if (i + 1 < count) values[i + 1] = radius * Math.sin(angle);
  }
  return values;
}

/** The numbers 0 … count − 1 in random order (Fisher–Yates). */
export function permutation(stream: RandomStream, count: number): number[] {
  const order = Array.from({ length: count }, (_, i) => i);
  for (let i = count - 1; i > 0; i--) {
    const j = Math.floor(stream.uniform() * (i + 1));
    [order[i], order[j]] = [order[j]!, order[i]!];
  }
  return order;
}
