import assert from 'node:assert/strict';
import type {
  PhaseStatistics,
  StoredSpan,
  StoredTrace,
  TraceSummary,
} from '#shared/telemetry/stored-trace.js';
import { isComplete, reasonToKeep, summarise } from './shape.js';
import { addSpan, checkShelf, type Entry, emptyShelf, put, take } from './shelf.js';
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

const DEFAULTS: Required<TraceStoreOptions> = {
  slowMs: 1000,
  tracesMax: 2000,
  maxBytes: 64 * 1024 * 1024,
  spansPerTraceMax: 2000,
  settleMs: 2000,
  incompleteMs: 60_000,
  now: Date.now,
};

/**
 * Keeps the last traces of a local mesh in memory. Tail rules: a trace is pending until it is complete and quiet; then it
 * stays if head sampling chose it, if it was slow or if it failed, else it goes. Past the limits the oldest ordinary traces
 * go first; slow and failed ones go only when they fill more than half, so that neither kind pushes the other out.
 */
export class TraceStore {
  readonly #options: Required<TraceStoreOptions>;
  /** Pending and sampled traces. */
  readonly #ordinary = emptyShelf();
  /** Slow and failed ones. */
  readonly #special = emptyShelf();
  readonly #statistics = createStatistics();

  constructor(options: TraceStoreOptions = {}) {
    this.#options = { ...DEFAULTS, ...options };
  }

  /** Takes finished spans, of any traces in any order. */
  add(spans: readonly StoredSpan[]): void {
    const { now, spansPerTraceMax } = this.#options;
    const grown = new Set<Entry>();
    for (const span of spans) {
      this.#statistics.add(span);
      const shelf = this.#special.entries.has(span.traceId) ? this.#special : this.#ordinary;
      let entry = shelf.entries.get(span.traceId);
      if (!entry) {
        entry = { traceId: span.traceId, spans: new Map(), bytes: 0, lastArrivalMs: 0, keep: 'pending' };
        put(shelf, entry);
      }
      entry.lastArrivalMs = now();
      if (addSpan(shelf, entry, span, spansPerTraceMax)) grown.add(entry);
    }
    for (const entry of grown) if (entry.keep !== 'pending') this.#judge(entry);
    this.#trim();
  }

  /** Judges the traces whose time has come. Call it now and then; reads do. */
  sweep(): void {
    const { now, settleMs, incompleteMs } = this.#options;
    for (const entry of [...this.#ordinary.entries.values()]) {
      if (entry.keep !== 'pending') continue;
      const quietMs = now() - entry.lastArrivalMs;
      if (quietMs < settleMs) continue;
      if (quietMs >= incompleteMs || isComplete([...entry.spans.values()])) this.#judge(entry);
    }
  }

  /** The newest traces, newest first. */
  list(limit: number): TraceSummary[] {
    this.sweep();
    return this.#all()
      .map((entry) => summarise([...entry.spans.values()], entry.keep))
      .sort((a, b) => b.startMs - a.startMs)
      .slice(0, limit);
  }

  /** The traces whose id begins with this. */
  find(prefix: string): StoredTrace[] {
    this.sweep();
    return this.#all()
      .filter((entry) => entry.traceId.startsWith(prefix))
      .map(({ spans, keep }) => ({
        summary: summarise([...spans.values()], keep),
        spans: [...spans.values()].sort((a, b) => a.startMs - b.startMs),
      }));
  }

  /** Times of passes, engine phases and calls, over all spans that arrived, kept or not. */
  statistics(): PhaseStatistics[] {
    return this.#statistics.read();
  }

  /** Throws if the books do not balance or a limit is crossed; tests call it. */
  checkIntegrity(): void {
    for (const shelf of [this.#ordinary, this.#special]) {
      checkShelf(shelf);
      for (const { keep } of shelf.entries.values()) {
        const slowOrFailed = keep === 'slow' || keep === 'failed';
        assert.equal(
          shelf === this.#special,
          slowOrFailed,
          'slow and failed traces have a shelf of their own',
        );
      }
    }
    assert(this.#all().length <= this.#options.tracesMax, 'traces stay under their limit');
    assert(
      this.#ordinary.bytes + this.#special.bytes <= this.#options.maxBytes,
      'bytes stay under their limit',
    );
  }

  #all(): Entry[] {
    return [...this.#ordinary.entries.values(), ...this.#special.entries.values()];
  }

  /** Decides what a trace is kept for, moves it to its shelf, or lets it go. What was once kept stays. */
  #judge(entry: Entry): void {
    const before = entry.keep === 'pending' ? undefined : entry.keep;
    const keep = reasonToKeep([...entry.spans.values()], this.#options.slowMs) ?? before;
    take(this.#ordinary, entry);
    take(this.#special, entry);
    if (keep === undefined) return;
    entry.keep = keep;
    put(keep === 'sampled' ? this.#ordinary : this.#special, entry);
  }

  #trim(): void {
    const { tracesMax, maxBytes } = this.#options;
    const [ordinary, special] = [this.#ordinary, this.#special];
    for (;;) {
      const traces = ordinary.entries.size + special.entries.size;
      if (traces <= tracesMax && ordinary.bytes + special.bytes <= maxBytes) return;
      const crowded = special.entries.size > tracesMax / 2 || special.bytes > maxBytes / 2;
      const shelf = crowded || ordinary.entries.size === 0 ? special : ordinary;
      const [oldest] = shelf.entries.values();
      assert(oldest, 'a store past its limits holds a trace');
      // A slow or failed one moves to the other shelf instead of going.
      if (oldest.keep === 'pending') this.#judge(oldest);
      take(shelf, oldest);
    }
  }
}
