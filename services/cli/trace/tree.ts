import { SPAN } from '#shared/telemetry/semconv.js';
import type { StoredSpan } from '#shared/telemetry/stored-trace.js';

/** One line of a waterfall. */
export interface Row {
  readonly span: StoredSpan;
  /** What stands before the name: `│ └ `. */
  readonly guide: string;
  /** What the guide becomes for lines that belong under this one. */
  readonly below: string;
  /** The pass it belongs to, if any. */
  readonly pass: 'first' | 'second' | undefined;
  /** True if it failed and no child of it did: here the failure began. */
  readonly origin: boolean;
  /** Children that have no rows because it has so many. */
  readonly folded: { readonly spans: number; readonly durationMs: number };
}

/** Most rows directly under one span: its failed children and the longest of the others. */
const CHILDREN_MAX = 40;

/**
 * A trace's spans as a tree from top to bottom: children under their parents in the order of their starts. Spans whose parent
 * is not there come as further roots, so that nothing is hidden; of very many children the shortest are only counted.
 */
export function traceRows(spans: readonly StoredSpan[]): Row[] {
  const ordered = [...spans].sort((a, b) => a.startMs - b.startMs || b.durationMs - a.durationMs);
  const ids = new Set(ordered.map((span) => span.spanId));
  const children = new Map<string, StoredSpan[]>();
  const roots: StoredSpan[] = [];
  for (const span of ordered) {
    if (span.parentSpanId === undefined || !ids.has(span.parentSpanId)) roots.push(span);
    else children.set(span.parentSpanId, [...(children.get(span.parentSpanId) ?? []), span]);
  }
  const rows: Row[] = [];
  const seen = new Set<string>();
  const skip = (span: StoredSpan): void => {
    if (seen.has(span.spanId)) return;
    seen.add(span.spanId);
    for (const child of children.get(span.spanId) ?? []) skip(child);
  };
  const walk = (span: StoredSpan, guide: string, below: string, outer: Row['pass']): void => {
    if (seen.has(span.spanId)) return;
    seen.add(span.spanId);
    const all = children.get(span.spanId) ?? [];
    const inside = longest(all);
    const left = all.filter((child) => !inside.includes(child));
    for (const child of left) skip(child);
    const folded = {
      spans: left.length,
      durationMs: left.reduce((sum, { durationMs }) => sum + durationMs, 0),
    };
    const pass = passOf(span) ?? outer;
    rows.push({
      span,
      guide,
      below,
      pass,
      origin: span.failed && !inside.some((child) => child.failed),
      folded,
    });
    for (const [index, child] of inside.entries()) {
      const last = index === inside.length - 1;
      walk(child, `${below}${last ? '└ ' : '├ '}`, `${below}${last ? '  ' : '│ '}`, pass);
    }
  };
  for (const root of roots) walk(root, '', '', undefined);
  // Only spans whose parents form a ring are left.
  for (const span of ordered) walk(span, '', '', undefined);
  return rows;
}

/** At most `CHILDREN_MAX` of some spans, in their order: failed ones first, then the longest. */
function longest(spans: readonly StoredSpan[]): readonly StoredSpan[] {
  if (spans.length <= CHILDREN_MAX) return spans;
  const ranked = [...spans].sort(
    (a, b) => Number(b.failed) - Number(a.failed) || b.durationMs - a.durationMs,
  );
  const kept = new Set(ranked.slice(0, CHILDREN_MAX));
  return spans.filter((span) => kept.has(span));
}

function passOf(span: StoredSpan): Row['pass'] {
  if (span.name === SPAN.FIRST_PASS) return 'first';
  return span.name === SPAN.SECOND_PASS ? 'second' : undefined;
}
