import { type Reason, ZmeshError } from '../errors.js';

/** How long callers are told to wait when no replica is left, milliseconds. */
const RETRY_AFTER_MS = 1000;

/** A replica that cannot be reached, refuses because it drains, or whose engine ended. */
const LOST: ReadonlySet<Reason> = new Set(['INFERENCE_UNAVAILABLE', 'DRAINING', 'ENGINE_STOPPED']);

/**
 * True if a call failed because of its replica and not because of itself: another replica may do better. A cancellation
 * that is not the caller's own is a server that was shut down under its calls.
 */
export function isLost({ reason }: ZmeshError, signal: AbortSignal | undefined): boolean {
  if (signal?.aborted) return false;
  return LOST.has(reason) || reason === 'CANCELLED';
}

/** True if another replica may do better: this one is lost, or older than what is asked of it. */
export function mayMoveOn(error: ZmeshError, signal: AbortSignal | undefined): boolean {
  return isLost(error, signal) || (error.reason === 'FORMAT_NEWER' && !signal?.aborted);
}

/**
 * The error of an answer whose replica was lost on the way: ENGINE_STOPPED with the number of tokens that were sent, which
 * may be fewer than the engine made.
 */
export function cutOff(cause: ZmeshError, tokens: number): ZmeshError {
  const lost = `the inference replica was lost after ${tokens} tokens; the answer is incomplete (${cause.reason}: ${cause.message})`;
  const message = cause.reason === 'ENGINE_STOPPED' ? cause.message : lost;
  return new ZmeshError('ENGINE_STOPPED', message, {
    value: tokens,
    names: { ...cause.details.names, tokens: String(tokens) },
    retryAfterMs: RETRY_AFTER_MS,
    cause,
  });
}

/** The error of a call that no replica answered: the last one's, if it says that inference is away or older than what was asked. */
export function unanswered(last: ZmeshError): ZmeshError {
  if (LOST.has(last.reason) || last.reason === 'FORMAT_NEWER') return last;
  return nobody(`inference cannot be reached: ${last.message}`, last);
}

/** INFERENCE_UNAVAILABLE with a time to come back. */
export function nobody(message: string, cause?: ZmeshError): ZmeshError {
  return new ZmeshError('INFERENCE_UNAVAILABLE', message, {
    retryAfterMs: RETRY_AFTER_MS,
    ...(cause ? { cause } : {}),
  });
}
