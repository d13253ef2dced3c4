/** Waits for its caller's turn. */
export type Turnstile = () => Promise<void>;

/**
 * Lets callers through one at each turn of the event loop, in their order: what came in meanwhile is read between two of them. A hundred
 * calls that arrive at once then hold up a person's call for as long as one of them takes.
 */
export function createTurnstile(): Turnstile {
  let last: Promise<void> = Promise.resolve();
  return () => {
    last = last.then(() => new Promise((resolve) => setImmediate(resolve)));
    return last;
  };
}
