import type { CallOptions } from '#shared/rpc/client.js';

/** How one call is made. */
export interface CallSettings {
  /** Cancels the call. */
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds it may take; Infinity = for ever. Default: the client's for calls that answer once, none for streams. */
  readonly timeoutMs?: number | undefined;
  /** Sent beside the client's own metadata. Default none. */
  readonly metadata?: Readonly<Record<string, string>> | undefined;
  /** When it must be over; the earlier of both counts. */
  readonly deadline?: Date | undefined;
}

/** Settings as `shared/rpc` takes them. */
export function callOptions(settings: CallSettings, defaultTimeoutMs: number): CallOptions {
  const { signal, timeoutMs = defaultTimeoutMs, deadline, metadata } = settings;
  const leftMs = deadline === undefined ? Number.POSITIVE_INFINITY : deadline.getTime() - Date.now();
  return { timeoutMs: Math.min(timeoutMs, leftMs), ...(signal && { signal }), ...(metadata && { metadata }) };
}
