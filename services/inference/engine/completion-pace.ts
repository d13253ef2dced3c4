/** How long what was measured counts, milliseconds: longer than requests that started together need to end together. */
const MEMORY_MS = 10_000;
/** Fewer answers than this that ended say nothing. */
const ENDED_MIN = 8;
/** No more of them are remembered than this, so that what was asked before is forgotten 7 s after nobody waits any more, however long it took. */
const ENDED_MAX = 2 * ENDED_MIN;

/**
 * How fast answers end while others wait for their room: what a waiting one can expect. Answers and not requests, because one
 * request may be as much work as 64 others, and the few of those that end before their callers' patience does would say nothing.
 */
export class CompletionPace {
  #busyMs = 0;
  #ended = 0;
  #measured = 0;
  #lastMs = 0;
  #waited = false;

  /** Learns that `ended` answers ended since the last call, and whether any request waited. Call after every step. */
  note(nowMs: number, { ended, waiting }: { readonly ended: number; readonly waiting: boolean }): void {
    // A longer gap is a process that stood still (a suspended machine), not work.
    const passedMs = Math.min(nowMs - this.#lastMs, MEMORY_MS);
    const kept = Math.exp(-passedMs / MEMORY_MS);
    // What is asked now may be other work: what was measured before weighs less from moment to moment, whether anybody waits or not.
    this.#busyMs *= kept;
    this.#ended *= kept;
    if (this.#waited && waiting) {
      this.#busyMs += passedMs;
      this.#ended += ended;
      this.#measured = Math.min(ENDED_MAX, this.#measured + ended);
    } else this.#measured *= kept;
    this.#lastMs = nowMs;
    this.#waited = waiting;
  }

  /** Milliseconds from one end to the next; null until enough was seen, and where ends are further apart than is remembered. */
  get intervalMs(): number | null {
    return this.#measured < ENDED_MIN || this.#ended < 1 ? null : this.#busyMs / this.#ended;
  }
}
