import assert from 'node:assert/strict';
import type {
  Keep,
  PhaseStatistics,
  StoredSpan,
  StoredTrace,
  TraceSummary,
} from '#shared/telemetry/stored-trace.js';
import { isComplete, reasonToKeep, summarise } from './shape.js';
import { createStatistics } from './statistics.js';

/** Limits and times of the store. */
export interface TraceStoreOptions {
  /** Unsampled traces are kept if a topmost span took longer, milliseconds. Default 1000. */
  readonly slowMs?: number;
  /** Traces at most. Default 2000. */
  readonly tracesMax?: number;
  /** Bytes of spans at most, as JSON. Default 64 MiB. */
  readonly maxBytes?: number;
  /** Spans of one trace at most; more are not stored. Default 2000. */
  readonly spansPerTraceMax?: number;
  /** A complete trace is judged this long after its last span came, milliseconds. Default 2000. */
  readonly settleMs?: number;
  /** An incomplete one likewise: longer than any request without a finished span. Default 60000. */
  readonly incompleteMs?: number;
  /** Clock, milliseconds. Default `Date.now`. */
  readonly now?: () => number;
}

/** Keeps the last traces of a local mesh in memory. */
export interface TraceStore {
  add(spans: readonly StoredSpan[]): void;
  /** Judges the traces whose time has come. Call it now and then; reads do. */
  sweep(): void;
  /** Newest first. */
  list(limit: number): TraceSummary[];
  /** The traces whose id begins with this. */
  find(prefix: string): StoredTrace[];
  statistics(): PhaseStatistics[];
  /** Throws if the books do not balance; tests call it. */
  checkIntegrity(): void;
}

interface Entry {
  readonly traceId: string;
  readonly spans: Map<string, StoredSpan>;
  bytes: number;
  lastArrivalMs: number;
  keep: Keep;
}

/** One class of traces, oldest first, with its bytes. */
interface Shelf {
  readonly entries: Map<string, Entry>;
  bytes: number;
}

/**
 * An empty store. Tail rules: a trace is pending until it is complete and quiet; then it stays if head sampling chose it,
 * if it was slow or if it failed, else it goes. Past the limits the oldest ordinary traces go first; slow and failed ones go
 * only when they fill more than half, so that neither kind can push the other out.
 */
export function createTraceStore(options: TraceStoreOptions = {}): TraceStore {
  const { slowMs = 1000, tracesMax = 2000, maxBytes = 64 * 1024 * 1024, spansPerTraceMax = 2000 } = options;
  const { settleMs = 2000, incompleteMs = 60_000, now = Date.now } = options;
  const ordinary: Shelf = { entries: new Map(), bytes: 0 };
  const special: Shelf = { entries: new Map(), bytes: 0 };
  const statistics = createStatistics();

  const judge = (entry: Entry): void => {
    const before = entry.keep === 'pending' ? undefined : entry.keep;
    const keep = reasonToKeep([...entry.spans.values()], slowMs) ?? before;
    take(ordinary, entry);
    take(special, entry);
    if (keep === undefined) return;
    entry.keep = keep;
    put(keep === 'sampled' ? ordinary : special, entry);
  };
  const trim = (): void => {
    for (;;) {
      const bytes = ordinary.bytes + special.bytes;
      const traces = ordinary.entries.size + special.entries.size;
      if (traces <= tracesMax && bytes <= maxBytes) return;
      const crowded = special.entries.size > tracesMax / 2 || special.bytes > maxBytes / 2;
      const shelf = crowded || ordinary.entries.size === 0 ? special : ordinary;
      const [oldest] = shelf.entries.values();
      assert(oldest, 'a store past its limits holds a trace');
      // A slow or failed one moves to the other shelf instead of going.
      if (oldest.keep === 'pending') judge(oldest);
      take(shelf, oldest);
    }
  };
  const sweep = (): void => {
    for (const entry of [...ordinary.entries.values()]) {
      if (entry.keep !== 'pending') continue;
      const quietMs = now() - entry.lastArrivalMs;
      if (quietMs < settleMs) continue;
      if (quietMs >= incompleteMs || isComplete([...entry.spans.values()])) judge(entry);
    }
  };
  const all = (): Entry[] => [...ordinary.entries.values(), ...special.entries.values()];

  return {
    add(spans) {
      const touched = new Set<Entry>();
      for (const span of spans) {
        statistics.add(span);
        const shelf = special.entries.has(span.traceId) ? special : ordinary;
        let entry = shelf.entries.get(span.traceId);
        if (!entry) {
          entry = { traceId: span.traceId, spans: new Map(), bytes: 0, lastArrivalMs: 0, keep: 'pending' };
          put(shelf, entry);
        }
        entry.lastArrivalMs = now();
        if (entry.spans.has(span.spanId) || entry.spans.size >= spansPerTraceMax) continue;
        const bytes = JSON.stringify(span).length;
        entry.spans.set(span.spanId, span);
        entry.bytes += bytes;
        shelf.bytes += bytes;
        touched.add(entry);
      }
      for (const entry of touched) if (entry.keep !== 'pending') judge(entry);
      trim();
    },
    sweep,
    list(limit) {
      sweep();
      return all()
        .map((entry) => summarise([...entry.spans.values()], entry.keep))
        .sort((a, b) => b.startMs - a.startMs)
        .slice(0, limit);
    },
    find(prefix) {
      sweep();
      return all()
        .filter((entry) => entry.traceId.startsWith(prefix))
        .map(({ spans, keep }) => ({
          summary: summarise([...spans.values()], keep),
          spans: [...spans.values()].sort((a, b) => a.startMs - b.startMs),
        }));
    },
    statistics: () => statistics.read(),
    checkIntegrity() {
      for (const shelf of [ordinary, special]) {
        const bytes = [...shelf.entries.values()].reduce((sum, entry) => sum + entry.bytes, 0);
        assert.equal(shelf.bytes, bytes, 'a shelf counts the bytes of its traces');
        for (const entry of shelf.entries.values()) {
          const slowOrFailed = entry.keep === 'slow' || entry.keep === 'failed';
          assert.equal(shelf === special, slowOrFailed, 'slow and failed traces have a shelf of their own');
          assert(entry.spans.size > 0, 'a trace holds a span');
        }
      }
      assert(ordinary.entries.size + special.entries.size <= tracesMax, 'traces stay under their limit');
      assert(ordinary.bytes + special.bytes <= maxBytes, 'bytes stay under their limit');
    },
  };
}

function put(shelf: Shelf, entry: Entry): void {
  shelf.entries.set(entry.traceId, entry);
  shelf.bytes += entry.bytes;
}

function take(shelf: Shelf, entry: Entry): void {
  if (shelf.entries.delete(entry.traceId)) shelf.bytes -= entry.bytes;
}
