import type { PhaseStatistics, StoredTrace, TraceSummary } from '#shared/telemetry/stored-trace.js';

const TIMEOUT_MS = 5000;
const POLL_MS = 150;

/** A question the trace store could not answer; the message is for people. */
export class TraceStoreError extends Error {
  readonly status: number | undefined;

  /** `status`: what the store answered; undefined if it did not answer. */
  constructor(message: string, status?: number, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = 'TraceStoreError';
    this.status = status;
  }
}

/** What `zmesh trace` asks the local trace store. All throw TraceStoreError. */
export interface TraceStoreClient {
  statistics(): Promise<PhaseStatistics[]>;
  /** Newest first. */
  list(limit: number): Promise<TraceSummary[]>;
  /** A trace by its id or the beginning of it. */
  trace(id: string): Promise<StoredTrace>;
  /** As `trace`, but gives spans that are on their way up to `waitMs` to arrive. */
  settledTrace(id: string, waitMs: number): Promise<StoredTrace>;
}

/** A client of the store at `endpoint` (`http://127.0.0.1:<port>`). */
export function traceStoreClient(endpoint: string): TraceStoreClient {
  const get = async <T>(path: string): Promise<T> => {
    let response: Response;
    try {
      response = await fetch(new URL(path, endpoint), { signal: AbortSignal.timeout(TIMEOUT_MS) });
    } catch (error) {
      const message = `the trace store at ${endpoint} does not answer; is the mesh running?`;
      throw new TraceStoreError(message, undefined, error);
    }
    const body = (await response.json()) as { error?: string };
    if (response.ok) return body as T;
    throw new TraceStoreError(body.error ?? `the trace store answered ${response.status}`, response.status);
  };
  const trace = (id: string): Promise<StoredTrace> => get(`/traces/${id}`);
  return {
    statistics: () => get('/stats'),
    list: (limit) => get(`/traces?limit=${limit}`),
    trace,
    async settledTrace(id, waitMs) {
      const until = performance.now() + waitMs;
      for (;;) {
        const last = performance.now() >= until;
        try {
          const found = await trace(id);
          if (found.summary.complete || last) return found;
        } catch (error) {
          if (last || !(error instanceof TraceStoreError) || error.status !== 404) throw error;
        }
        await new Promise((resolve) => setTimeout(resolve, POLL_MS));
      }
    },
  };
}
