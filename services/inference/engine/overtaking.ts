/** Starts after which what was seen counts half as much, about. */
const HALF_LIFE = 64;
const KEPT = 0.5 ** (1 / HALF_LIFE);
/** Fewer places than this say nothing. */
const PLACES_MIN = 8;

/**
 * How many requests start before a waiting one for each that was before it when it came. More than one where others come later
 * and go first: second passes take their request's place, and each first pass that waits will send one.
 */
export class Overtaking {
  #started = 0;
  #expected = 0;
  #actual = 0;

  /** Notes a request that waits behind `ahead` others; give the result to `starts`. */
  comes(ahead: number): () => void {
    const before = this.#started;
    return () => {
      this.#expected = this.#expected * KEPT + ahead;
      this.#actual = this.#actual * KEPT + (this.#started - before);
      this.#started += 1;
    };
  }

  /** At least 1; those that left early made nobody slower. */
  get factor(): number {
    return this.#expected < PLACES_MIN ? 1 : Math.max(1, this.#actual / this.#expected);
  }
}
