import { sleep } from './deadline.js';
import { ZmeshError } from './errors.js';

/** Longest time that a full queue is waited for, milliseconds. */
const PATIENCE_MS = 60_000;

/**
 * Makes a call and makes it again while the queue is full, after the time the service names, for at most a minute. Every
 * other failure is thrown with its reason, and with `what` before its message.
 */
export async function askPatiently<T>(what: string, signal: AbortSignal, call: () => Promise<T>): Promise<T> {
  const startMs = performance.now();
  for (;;) {
    try {
      return await call();
    } catch (thrown) {
      const error = ZmeshError.from(thrown);
      if (error.reason === 'CANCELLED' && signal.aborted) throw error;
      const patient = error.reason === 'QUEUE_FULL' && performance.now() - startMs < PATIENCE_MS;
      if (!patient)
        throw new ZmeshError(error.reason, `${what}: ${error.message}`, { ...error.details, cause: error });
      await sleep(error.details.retryAfterMs ?? 250, signal);
    }
  }
}
