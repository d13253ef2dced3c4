/** How long what was measured counts, milliseconds: longer than requests that started together need to end together. */
const MEMORY_MS = 10_000;
/** Fewer requests than this that ended say nothing. */
const ENDED_MIN = 8;

/** How fast requests end while others wait for their room: what a waiting one can expect. */
export class CompletionPace {
  #busyMs = 0;
  #ended = 0;
  #measured = 0;
  #lastMs = 0;
  #waited = false;

  /** Learns that `ended` requests ended since the last call, and whether any waited. Call after every step. */
  note(nowMs: number, { ended, waiting }: { readonly ended: number; readonly waiting: boolean }): void {
    // A longer gap is a process that stood still (a suspended machine), not work.
    const passedMs = Math.min(nowMs - this.#lastMs, MEMORY_MS);
    const kept = Math.exp(-passedMs / MEMORY_MS);
    if (this.#waited && waiting) {
      this.#busyMs = this.#busyMs * kept + passedMs;
      this.#ended = this.#ended * kept + ended;
      this.#measured += ended;
    } else {
      // What was asked before may have been other work: nobody is refused for it any more.
      this.#measured *= kept;
    }
    this.#lastMs = nowMs;
    this.#waited = waiting;
  }

  /** Milliseconds from one end to the next; null until enough was seen, and where ends are further apart than is remembered. */
  get intervalMs(): number | null {
    return this.#measured < ENDED_MIN || this.#ended < 1 ? null : this.#busyMs / this.#ended;
  }
}
