import { ZmeshError } from '#shared/errors.js';

/** Admits requests up to a number at once. */
export interface Gate {
  /**
   * Admits one request; call the result, once, when it is over. Throws QUEUE_FULL at the limit and DRAINING after `close`.
   */
  enter(): () => void;
  /** What `enter` would throw just now; undefined = it would admit. */
  refusal(): ZmeshError | undefined;
  /** Admits no more. */
  close(): void;
  /** Requests inside. */
  readonly inside: number;
}

/** How long a refused caller is told to wait, milliseconds: about one short answer. */
const RETRY_AFTER_MS = 250;

/** A gate for `requestsMax` requests at once. */
export function createGate(requestsMax: number): Gate {
  let inside = 0;
  let closed = false;
  const draining = new ZmeshError('DRAINING', 'the dispatcher is shutting down; try another replica', {
    retryAfterMs: RETRY_AFTER_MS,
  });
  // One for all: a crowd is refused with it, and an error costs a stack.
  const full = new ZmeshError(
    'QUEUE_FULL',
    `${requestsMax} requests are at work, the most this dispatcher takes at once`,
    { limit: requestsMax, value: requestsMax + 1, retryAfterMs: RETRY_AFTER_MS },
  );
  const refusal = (): ZmeshError | undefined => {
    if (closed) return draining;
    return inside >= requestsMax ? full : undefined;
  };
  return {
    refusal,
    enter() {
      const refused = refusal();
      if (refused) throw refused;
      inside++;
      return () => {
        inside--;
      };
    },
    close() {
      closed = true;
    },
    get inside() {
      return inside;
    },
  };
}
