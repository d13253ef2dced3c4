const [LENGTH, MIDDLE] = [624, 397];

/**
 * Python's `random.Random(seed)` as far as published splits need it: MT19937 seeded with `init_by_array`, and `shuffle`.
 * `seed` is a whole number from 0 to 2³² − 1.
 */
export function pythonShuffle<T>(seed: number, items: readonly T[]): T[] {
  const next = mersenneTwister(seed);
  const shuffled = [...items];
  for (let i = shuffled.length - 1; i > 0; i--) {
    // `_randbelow(i + 1)`: as many bits as i + 1 has, drawn again until below.
    const bits = 32 - Math.clz32(i + 1);
    let j = next() >>> (32 - bits);
    while (j > i) j = next() >>> (32 - bits);
    [shuffled[i], shuffled[j]] = [shuffled[j]!, shuffled[i]!];
  }
  return shuffled;
}

/** M. Matsumoto and T. Nishimura's MT19937 with a key of one number: the reference `init_by_array([seed])`. */
function mersenneTwister(seed: number): () => number {
  const state = new Uint32Array(LENGTH);
  state[0] = 19650218;
  for (let i = 1; i < LENGTH; i++) state[i] = Math.imul(1812433253, mixed(state, i)) + i;
  let i = 1;
  const wrap = (): void => {
    if (i < LENGTH) return;
    state[0] = state[LENGTH - 1]!;
    i = 1;
  };
  for (let k = 0; k < LENGTH; k++, i++, wrap())
    state[i] = (state[i]! ^ Math.imul(mixed(state, i), 1664525)) + seed;
  for (let k = 0; k < LENGTH - 1; k++, i++, wrap())
    state[i] = (state[i]! ^ Math.imul(mixed(state, i), 1566083941)) - i;
  state[0] = 0x80000000;
  let at = LENGTH;
  return () => {
    if (at === LENGTH) at = twist(state);
    let y = state[at++]!;
    y ^= y >>> 11;
    y ^= (y << 7) & 0x9d2c5680;
    y ^= (y << 15) & 0xefc60000;
    return (y ^ (y >>> 18)) >>> 0;
  };
}

function mixed(state: Uint32Array, i: number): number {
  return state[i - 1]! ^ (state[i - 1]! >>> 30);
}

function twist(state: Uint32Array): number {
  for (let k = 0; k < LENGTH; k++) {
    const y = (state[k]! & 0x80000000) | (state[(k + 1) % LENGTH]! & 0x7fffffff);
    state[k] = state[(k + MIDDLE) % LENGTH]! ^ (y >>> 1) ^ (y & 1 ? 0x9908b0df : 0);
  }
  return 0;
}
