import { heatmap } from './heatmap.js';
import type { Picture } from './svg.js';

/** What was taken for what. */
export interface ConfusionOptions {
  readonly title: string;
  /** True label → given label → questions. */
  readonly counts: Readonly<Record<string, Readonly<Record<string, number>>>>;
}

/**
 * A confusion matrix: true labels down, given labels across, each in alphabetical order with `other` last; a cell's colour is its share
 * of the row, its text the number of questions. A label that was never given has a column all the same.
 */
export function confusionMatrix({ title, counts }: ConfusionOptions): Picture {
  const rows = ordered(Object.keys(counts));
  const columns = ordered([...rows, ...Object.values(counts).flatMap((row) => Object.keys(row))]);
  const asked = rows.map((row) => Object.values(counts[row]!).reduce((sum, count) => sum + count, 0));
  const right = rows.reduce((sum, row) => sum + (counts[row]![row] ?? 0), 0);
  const total = asked.reduce((sum, count) => sum + count, 0);
  return heatmap({
    title: `${title}: ${right} of ${total} right`,
    rowLabel: 'label',
    columnLabel: 'given',
    rows: rows.map((row, i) => `${row} (${asked[i]})`),
    columns,
    values: rows.map((row, i) => columns.map((column) => (counts[row]![column] ?? 0) / asked[i]!)),
    labels: rows.map((row) => columns.map((column) => String(counts[row]![column] ?? 0))),
    low: 0,
    high: 1,
  });
}

function ordered(labels: readonly string[]): string[] {
  return [...new Set(labels)].sort(
    (a, b) => Number(a === 'other') - Number(b === 'other') || (a < b ? -1 : 1),
  );
}
