import { setTimeout as wait } from 'node:timers/promises';
import { ZmeshError } from '#shared/errors.js';

/** How long and how often the hub is asked. */
export interface HubPatience {
  /** Until an answer begins, and between two pieces of it, milliseconds. */
  readonly stallMs: number;
  /** Times the same thing is tried before giving up. */
  readonly attempts: number;
  /** Before the second attempt, milliseconds; doubled before each further one. */
  readonly waitMs: number;
}

/** Half a minute of silence is a lost connection; five attempts with 1, 2, 4 and 8 s between them outlast a router's restart. */
export const HUB_PATIENCE: HubPatience = { stallMs: 30_000, attempts: 5, waitMs: 1000 };

/** Answers worth another attempt. */
const RETRIED = new Set([408, 429, 500, 502, 503, 504]);

/** Milliseconds to wait before attempt number `attempt` + 1. */
export function backoffMs({ waitMs }: HubPatience, attempt: number): number {
  return waitMs * 2 ** (attempt - 1);
}

/**
 * `fetch` for one hub: the token goes to its own origin alone, an answer must begin in time, and what may pass is tried
 * again. A hub that never answered is not tried again: whoever is offline should hear it at once.
 * The returned function throws ZmeshError SOURCE_UNAVAILABLE where there is no answer at all.
 */
export function createHubFetch(options: {
  readonly endpoint: URL;
  readonly token: string | undefined;
  readonly patience: HubPatience;
  readonly onNote: (message: string) => void;
}): typeof fetch {
  const { endpoint, token, patience, onNote } = options;
  let reached = false;
  return async (input, init = {}) => {
    const url = new URL(input instanceof Request ? input.url : input);
    const headers = new Headers(init.headers);
    // A compressed body would not have the bytes, nor the ranges, that are asked for.
    headers.set('accept-encoding', 'identity');
    if (token && url.origin === endpoint.origin) headers.set('authorization', `Bearer ${token}`);
    for (let attempt = 1; ; attempt += 1) {
      const last = attempt >= patience.attempts;
      let trouble: string;
      try {
        const response = await once(url, { ...init, headers }, patience.stallMs);
        reached = true;
        if (last || !RETRIED.has(response.status)) return response;
        await response.body?.cancel();
        trouble = `${url.origin} answers HTTP ${response.status}`;
      } catch (error) {
        if (init.signal?.aborted) throw error;
        trouble = `${url.origin} cannot be reached (${causeOf(error)})`;
        if (last || !reached) throw new ZmeshError('SOURCE_UNAVAILABLE', trouble, { cause: error });
      }
      const pauseMs = backoffMs(patience, attempt);
      onNote(`${trouble}; trying again in ${pauseMs / 1000} s (${attempt} of ${patience.attempts - 1})`);
      await wait(pauseMs, undefined, init.signal ? { signal: init.signal } : {});
    }
  };
}

async function once(url: URL, init: RequestInit, stallMs: number): Promise<Response> {
  const late = new AbortController();
  const timer = setTimeout(() => late.abort(new Error(`no answer in ${stallMs / 1000} s`)), stallMs);
  try {
    const signal = init.signal ? AbortSignal.any([init.signal, late.signal]) : late.signal;
    return await fetch(url, { ...init, signal });
  } finally {
    clearTimeout(timer);
  }
}

/** The shortest true thing about a failed connection: `ECONNREFUSED`, `getaddrinfo ENOTFOUND …`. */
export function causeOf(error: unknown): string {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  if (cause instanceof AggregateError && cause.errors[0] instanceof Error) return cause.errors[0].message;
  return cause instanceof Error ? cause.message : String(cause);
}
