import { sleep } from './deadline.js';
import { ZmeshError } from './errors.js';

/** Longest time that a full queue is waited for, milliseconds. */
const PATIENCE_MS = 60_000;

/** Whom a call is made for, and how often. */
export interface Patience {
  /** Ends the waiting, and the call where that takes the same signal. */
  readonly signal: AbortSignal;
  /**
   * Times that a call is made again after its own deadline passed: for calls that compute the same each time and whose answer
   * nobody has seen yet. Default 0.
   */
  readonly overruns?: number;
}

/**
 * Makes a call and makes it again while the queue is full, after the time the service names, for at most a minute, and after
 * a passed deadline as often as `overruns` says. Every other failure is thrown with its reason, and with `what` before its
 * message.
 */
export async function askPatiently<T>(
  what: string,
  { signal, overruns = 0 }: Patience,
  call: () => Promise<T>,
): Promise<T> {
  const startMs = performance.now();
  for (let left = overruns; ; ) {
    try {
      return await call();
    } catch (thrown) {
      const error = ZmeshError.from(thrown);
      if (error.reason === 'CANCELLED' && signal.aborted) throw error;
      if (error.reason === 'DEADLINE' && left > 0) {
        left -= 1;
        continue;
      }
      const patient = error.reason === 'QUEUE_FULL' && performance.now() - startMs < PATIENCE_MS;
      if (!patient)
        throw new ZmeshError(error.reason, `${what}: ${error.message}`, { ...error.details, cause: error });
      await sleep(error.details.retryAfterMs ?? 250, signal);
    }
  }
}
