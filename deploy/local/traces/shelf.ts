import assert from 'node:assert/strict';
import type { Keep, StoredSpan } from '#shared/telemetry/stored-trace.js';

/** One trace on a shelf. */
export interface Entry {
  readonly traceId: string;
  /** By span id, in the order of arrival. */
  readonly spans: Map<string, StoredSpan>;
  /** Of its spans as JSON. */
  bytes: number;
  lastArrivalMs: number;
  keep: Keep;
}

/** Traces of one class, oldest first, and their bytes together. */
export interface Shelf {
  readonly entries: Map<string, Entry>;
  bytes: number;
}

/** A shelf with nothing on it. */
export function emptyShelf(): Shelf {
  return { entries: new Map(), bytes: 0 };
}

/** Puts a trace on a shelf, as its newest. */
export function put(shelf: Shelf, entry: Entry): void {
  shelf.entries.set(entry.traceId, entry);
  shelf.bytes += entry.bytes;
}

/** Takes a trace off a shelf, if it is there. */
export function take(shelf: Shelf, entry: Entry): void {
  if (shelf.entries.delete(entry.traceId)) shelf.bytes -= entry.bytes;
}

/** Adds a span to a trace on a shelf, unless it is there or the trace holds `spansMax`. True if it was added. */
export function addSpan(shelf: Shelf, entry: Entry, span: StoredSpan, spansMax: number): boolean {
  if (entry.spans.has(span.spanId) || entry.spans.size >= spansMax) return false;
  const bytes = JSON.stringify(span).length;
  entry.spans.set(span.spanId, span);
  entry.bytes += bytes;
  shelf.bytes += bytes;
  return true;
}

/** Throws if the books do not balance. */
export function checkShelf(shelf: Shelf): void {
  const entries = [...shelf.entries.values()];
  assert.equal(
    shelf.bytes,
    entries.reduce((sum, entry) => sum + entry.bytes, 0),
    'a shelf counts the bytes of its traces',
  );
  for (const entry of entries) assert(entry.spans.size > 0, 'a trace holds a span');
}
