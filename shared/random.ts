/**
 * A random stream: sfc32 (Chris Doty-Humphrey, PractRand), seeded from a 64-bit seed and a number of its own, such as an
 * answer's. Draws depend on nothing else, so an answer is the same whatever shares its batch.
 */
export class RandomStream {
  #a: number;
  #b: number;
  #c: number;
  #counter = 1;

  constructor(seed: bigint, stream: number) {
    this.#a = Number(seed & 0xffffffffn) | 0;
    this.#b = Number((seed >> 32n) & 0xffffffffn) | 0;
    this.#c = stream | 0;
    // The author's warm-up: after 12 rounds close seeds have nothing in common.
    for (let i = 0; i < 12; i++) this.#next();
  }

  /** Uniform in [0, 1), 53 bits. */
  uniform(): number {
    const high = this.#next() >>> 5;
    const low = this.#next() >>> 6;
    return (high * 67108864 + low) / 9007199254740992;
  }

  #next(): number {
    const sum = (this.#a + this.#b + this.#counter) | 0;
    this.#counter = (this.#counter + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = (((this.#c << 21) | (this.#c >>> 11)) + sum) | 0;
    return sum;
  }
}
