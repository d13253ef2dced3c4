import * as grpc from '@grpc/grpc-js';
import { ZmeshError } from '../errors.js';

/** What a handler knows about the call it serves. */
export interface CallContext {
  /** Aborts when the caller leaves or its deadline passes; the reason is a ZmeshError CANCELLED or DEADLINE. */
  readonly signal: AbortSignal;
  /** The caller's deadline, to be passed on to every further call; undefined = none. */
  readonly deadline: Date | undefined;
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
  /** Frees the deadline's timer. */
  close(): void;
}

const LONGEST_TIMER_MS = 2 ** 31 - 1;

/** Any server call: all kinds share what a context needs. */
export type AnyServerCall = grpc.ServerUnaryCall<never, never>;

/** The context of a server call of any kind. */
export function serveCall(call: AnyServerCall): ServedCall {
  const controller = new AbortController();
  const trailers = new grpc.Metadata();
  const raw = call.getDeadline();
  const dueMs = raw instanceof Date ? raw.getTime() : raw;
  const deadline = Number.isFinite(dueMs) ? new Date(dueMs) : undefined;
  const late = (): void =>
    controller.abort(
      new ZmeshError('DEADLINE', 'the deadline passed', {
        ...(deadline ? { limit: deadline.toISOString() } : {}),
      }),
    );
  const timer = deadline
    ? setTimeout(late, Math.min(LONGEST_TIMER_MS, Math.max(0, dueMs - Date.now())))
    : undefined;
  call.on('cancelled', () => {
    if (deadline && Date.now() >= dueMs) late();
    else controller.abort(new ZmeshError('CANCELLED', 'the caller went away'));
  });
  return {
    trailers,
    close: () => clearTimeout(timer),
    context: {
      signal: controller.signal,
      deadline,
      peer: call.getPeer(),
      metadata: (key) => call.metadata.get(key)[0]?.toString(),
      setTrailer: (key, value) => trailers.set(key, value),
    },
  };
}
