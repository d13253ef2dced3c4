import { createHash } from 'node:crypto';

/** A seeded source of choices: the same seed gives the same choices. */
export interface Random {
  /** In [0, 1). */
  uniform(): number;
  /** A whole number in [0, below). */
  below(below: number): number;
  /** True with this probability. */
  chance(probability: number): boolean;
  /** One of them. */
  pick<T>(from: readonly T[]): T;
  bytes(length: number): Buffer;
}

/** Choices for one purpose: `seed` and the names of the purpose. Mulberry32 from the first word of their SHA-256. */
export function random(seed: number, ...purpose: readonly (string | number)[]): Random {
  let state = createHash('sha256')
    .update([seed, ...purpose].join('/'))
    .digest()
    .readUInt32LE(0);
  const uniform = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  const below = (limit: number): number => Math.floor(uniform() * limit);
  return {
    uniform,
    below,
    chance: (probability) => uniform() < probability,
    pick: (from) => from[below(from.length)]!,
    bytes: (length) => Buffer.from(Array.from({ length }, () => below(256))),
  };
}
