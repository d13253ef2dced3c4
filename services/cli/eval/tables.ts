import { wilson } from '#shared/statistics/wilson.js';
import { renderTable } from '../render/table.js';
import { cellOf, type EvalResult } from './result.js';

/** Accuracy of one task under one strategy. */
export interface Accuracy {
  readonly right: number;
  readonly asked: number;
  /** Share of right answers, [0, 1]. */
  readonly accuracy: number;
  /** Wilson's 95 % interval. */
  readonly low: number;
  readonly high: number;
}

/** Tasks by strategies. */
export interface AccuracyTable {
  readonly strategies: readonly string[];
  readonly rows: readonly { readonly task: string; readonly cells: readonly Accuracy[] }[];
  /** Mean of the tasks' accuracies under each strategy; every task weighs the same. */
  readonly mean: readonly number[];
}

/** How a table is written. */
export type TableFormat = 'plain' | 'markdown';

/** Counts an evaluation up. */
export function accuracyTable(result: EvalResult): AccuracyTable {
  const rows = result.tasks.map((task) => ({
    task,
    cells: result.strategies.map((strategy) => {
      const { outcomes } = cellOf(result, task, strategy);
      return accuracyOf(outcomes.filter(({ right }) => right).length, outcomes.length);
    }),
  }));
  const mean = result.strategies.map(
    (_, i) => rows.reduce((sum, { cells }) => sum + cells[i]!.accuracy, 0) / rows.length,
  );
  return { strategies: result.strategies, rows, mean };
}

/** A share of right answers with its interval. */
export function accuracyOf(right: number, asked: number): Accuracy {
  const { estimate, low, high } = wilson(right, asked);
  return { right, asked, accuracy: estimate, low, high };
}

/** The table as text: `0.66 [.59, .72]` in each cell, the mean last. Ends with a line break. */
export function renderAccuracy(table: AccuracyTable, format: TableFormat = 'plain'): string {
  const head = ['task', 'questions', ...table.strategies];
  const rows = table.rows.map(({ task, cells }) => [task, askedText(cells), ...cells.map(accuracyText)]);
  rows.push(['mean', '', ...table.mean.map((mean) => mean.toFixed(2))]);
  if (format === 'markdown') return markdown(head, rows);
  const columns = head.map((title, i) => ({
    title,
    align: i === 1 ? ('right' as const) : ('left' as const),
  }));
  return renderTable(columns, rows);
}

/** `0.66 [.59, .72]`: share and interval. */
export function accuracyText({ accuracy, low, high }: Accuracy): string {
  return `${accuracy.toFixed(2)} [${short(low)}, ${short(high)}]`;
}

function askedText(cells: readonly Accuracy[]): string {
  const counts = [...new Set(cells.map(({ asked }) => asked))];
  return counts.join('/');
}

function short(share: number): string {
  const text = share.toFixed(2);
  return text.startsWith('0') ? text.slice(1) : text;
}

function markdown(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |\n`;
  return `${line(head)}|${'---|'.repeat(head.length)}\n${rows.map(line).join('')}`;
}
