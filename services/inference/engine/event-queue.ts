/** Hands events from a callback to one asynchronous reader, all that have gathered at a time. */
export class EventQueue<T> {
  #events: T[] = [];
  #ended = false;
  #error: unknown;
  #wake: (() => void) | null = null;

  push(event: T): void {
    this.#events.push(event);
    this.#signal();
  }

  /** Nothing follows. */
  end(): void {
    this.#ended = true;
    this.#signal();
  }

  /** What gathered is still read, then the error is thrown; with `drop` it is thrown at once. */
  fail(error: unknown, options: { readonly drop: boolean } = { drop: false }): void {
    if (options.drop) this.#events = [];
    this.#error = error;
    this.end();
  }

  /** Reads to the end. */
  async *batches(): AsyncGenerator<readonly T[], void, undefined> {
    for (;;) {
      while (this.#events.length > 0) {
        const events = this.#events;
        this.#events = [];
        yield events;
      }
      if (this.#error !== undefined) throw this.#error;
      if (this.#ended) return;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  #signal(): void {
    this.#wake?.();
    this.#wake = null;
  }
}
