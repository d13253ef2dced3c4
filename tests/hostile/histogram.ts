import { REASONS } from '#shared/errors.js';
import { METHODS } from './methods.js';
import type { HostileRequest, Making } from './requests.js';

/** Counts of outcomes, RPC by RPC. */
export interface Histogram {
  count(request: Pick<HostileRequest, 'method' | 'making' | 'decodes'>, outcome: string): void;
  /** Notes what was sent. */
  noteDigest(hex: string): void;
  /** Requests of one RPC. */
  sent(method: string): number;
  /** Requests of one RPC that got past decoding. */
  decoded(method: string): number;
  total(): number;
  /** Outcomes that were seen. */
  outcomes(): ReadonlySet<string>;
  /** Lines: one for each RPC, with every outcome and its count, then the sums. */
  lines(): string[];
}

/** An empty histogram. */
export function createHistogram(): Histogram {
  const rows = new Map(METHODS.map(({ name }) => [name, new Map<string, number>()]));
  const makings = new Map<Making, number>();
  const undecoded = new Map<string, number>();
  const decoded = new Map<string, number>();
  let digest = '';
  const sum = (row: ReadonlyMap<string, number>): number => [...row.values()].reduce((a, b) => a + b, 0);
  const total = (): number => [...rows.values()].reduce((all, row) => all + sum(row), 0);
  return {
    count({ method, making, decodes }, outcome) {
      increment(rows.get(method.name)!, outcome);
      increment(makings, making);
      if (decodes) increment(decoded, method.name);
      else increment(undecoded, outcome);
    },
    noteDigest(hex) {
      digest = hex;
    },
    sent: (method) => sum(rows.get(method)!),
    decoded: (method) => decoded.get(method) ?? 0,
    total,
    outcomes: () => new Set([...rows.values()].flatMap((row) => [...row.keys()])),
    lines: () => [
      ...[...rows].map(([name, row]) => `${name.padEnd(21)}${String(sum(row)).padStart(7)}  ${cells(row)}`),
      `${'all'.padEnd(21)}${String(total()).padStart(7)}  ${cells(merged(rows.values()))}`,
      `past decoding: ${sum(decoded)} of ${total()}; no message: ${cells(undecoded)}`,
      `made: ${cells(makings)}`,
      `requests: sha256 ${digest}`,
    ],
  };
}

function increment<K>(row: Map<K, number>, key: K): void {
  row.set(key, (row.get(key) ?? 0) + 1);
}

function merged(rows: Iterable<ReadonlyMap<string, number>>): Map<string, number> {
  const all = new Map<string, number>();
  for (const row of rows) for (const [key, value] of row) all.set(key, (all.get(key) ?? 0) + value);
  return all;
}

/** OK first, then reasons of the catalogue in its order, then the rest. */
function cells(row: ReadonlyMap<string, number>): string {
  const order = ['OK', ...Object.keys(REASONS)];
  const place = (key: string): number => (order.indexOf(key) + order.length + 1) % (order.length + 1);
  return [...row]
    .sort(([a], [b]) => place(a) - place(b))
    .map(([key, value]) => `${key} ${value}`)
    .join(' · ');
}
