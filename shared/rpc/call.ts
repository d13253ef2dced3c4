import * as grpc from '@grpc/grpc-js';
import { ZmeshError } from '../errors.js';
import { ANSWER_EARLY_MS, deadlineError, untilLateMs } from './deadline.js';

/** What a handler knows about the call it serves. */
export interface CallContext {
  /** Aborts when the caller leaves or its deadline passes; the reason is a ZmeshError CANCELLED or DEADLINE. */
  readonly signal: AbortSignal;
  /** When the caller's deadline passes, on performance.now's clock; to be passed on to every further call. Undefined = never. */
  readonly deadline: number | undefined;
  /** Address of the caller. */
  readonly peer: string;
  /** First value of a metadata key of the request. */
  metadata(key: string): string | undefined;
  /** Adds to the trailing metadata. */
  setTrailer(key: string, value: string): void;
}

/** A context and the trailers that its handler has set. */
export interface ServedCall {
  readonly context: CallContext;
  readonly trailers: grpc.Metadata;
  /** The handler is done: frees the deadline's timer; whatever becomes of the call aborts nothing any more. */
  close(): void;
}

/** The calls that a server works on: each ends with an error that it is told. */
export type OpenCalls = Set<(error: ZmeshError) => void>;

/** Any server call: all kinds share what a context needs. */
export type AnyServerCall = grpc.ServerUnaryCall<never, never>;

/**
 * The context of a server call of any kind. `onEnd` hears of the deadline first, a little before grpc-js acts on it, and of what
 * ends all `open` calls.
 */
export function serveCall(
  call: AnyServerCall,
  open: OpenCalls,
  onEnd: (error: ZmeshError) => void,
): ServedCall {
  const controller = new AbortController();
  const trailers = new grpc.Metadata();
  const raw = call.getDeadline();
  const leftMs = Number(raw) - Date.now();
  // From here on the wall clock may jump as it likes.
  const deadline = Number.isFinite(leftMs) ? performance.now() + leftMs : undefined;
  const end = (error: ZmeshError): void => {
    if (controller.signal.aborted) return;
    onEnd(error);
    controller.abort(error);
  };
  const late = (): void => end(deadlineError(call));
  open.add(end);
  const lateMs = untilLateMs(raw);
  const timer = lateMs === undefined ? undefined : setTimeout(late, lateMs);
  let closed = false;
  call.on('cancelled', () => {
    if (deadline !== undefined && performance.now() >= deadline - ANSWER_EARLY_MS) late();
    // grpc-js says so at the end of every call, also of those that were answered.
    else if (!closed) controller.abort(new ZmeshError('CANCELLED', 'the caller went away'));
  });
  return {
    trailers,
    close: () => {
      closed = true;
      clearTimeout(timer);
      open.delete(end);
    },
    context: {
      signal: controller.signal,
      deadline,
      peer: call.getPeer(),
      metadata: (key) => call.metadata.get(key)[0]?.toString(),
      setTrailer: (key, value) => trailers.set(key, value),
    },
  };
}
