import { comparePaired, type Pair, type PairedComparison } from '#shared/statistics/paired.js';
import { renderTable } from '../render/table.js';
import { cellOf, type EvalResult } from './result.js';

/** Two strategies compared task by task and over all questions. */
export interface StrategyComparison {
  readonly first: string;
  readonly second: string;
  readonly tasks: readonly { readonly task: string; readonly comparison: PairedComparison }[];
  /** Over all questions of all tasks. */
  readonly all: PairedComparison;
}

/** Compares two strategies of one evaluation on the questions both were asked. */
export function compareStrategies(result: EvalResult, first: string, second: string): StrategyComparison {
  const pairs = result.tasks.map((task) => ({ task, pairs: pairsOf(result, task, first, second) }));
  return {
    first,
    second,
    tasks: pairs.map(({ task, pairs: own }) => ({ task, comparison: comparePaired(own) })),
    all: comparePaired(pairs.flatMap(({ pairs: own }) => own)),
  };
}

function pairsOf(result: EvalResult, task: string, first: string, second: string): Pair[] {
  const others = new Map(cellOf(result, task, second).outcomes.map(({ id, right }) => [id, right]));
  return cellOf(result, task, first).outcomes.map(({ id, right }) => ({
    first: right,
    second: others.get(id) ?? false,
  }));
}

/** The comparison as a plain table: difference (second minus first) with its 95 % interval, the items that tell them apart, p. */
export function renderComparison({ first, second, tasks, all }: StrategyComparison): string {
  const columns = [
    { title: 'task' },
    { title: 'questions', align: 'right' as const },
    { title: `${second} − ${first}`, align: 'right' as const },
    { title: '95 % interval' },
    { title: `only ${first}`, align: 'right' as const },
    { title: `only ${second}`, align: 'right' as const },
    { title: 'p', align: 'right' as const },
  ];
  const rows = [...tasks, { task: 'all', comparison: all }].map(({ task, comparison }) => [
    task,
    String(comparison.items),
    signed(comparison.difference.estimate),
    `[${signed(comparison.difference.low)}, ${signed(comparison.difference.high)}]`,
    String(comparison.firstOnly),
    String(comparison.secondOnly),
    comparison.p < 0.001 ? '<0.001' : comparison.p.toFixed(3),
  ]);
  return renderTable(columns, rows);
}

function signed(value: number): string {
  return `${value < 0 ? '−' : '+'}${Math.abs(value).toFixed(3)}`;
}
