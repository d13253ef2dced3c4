import type { StepOutputs } from '../runtime/runtime.js';
import type { Row } from './task.js';

/** Rows that go through the runtime together. */
export interface Batch {
  readonly rows: readonly Row[];
  readonly outputs: StepOutputs;
}

/** Rows are padded to their batch's longest, so a batch's shortest row is at least this share of it. */
const LENGTH_RATIO_MIN = 0.5;

/** Groups the rows of one step by length, short ones first: running answers do not wait for prompts. */
export function groupRows(rows: readonly Row[]): readonly Batch[] {
  const sorted = [...rows].sort((a, b) => a.step.tokens.length - b.step.tokens.length);
  const groups: Row[][] = [];
  for (const row of sorted) {
    const group = groups.at(-1);
    if (
      group &&
      group[0]!.step.tokens.length >= row.step.tokens.length * LENGTH_RATIO_MIN &&
      sameKind(group[0]!, row)
    )
      group.push(row);
    else groups.push([row]);
  }
  return groups.map((group) => ({ rows: group, outputs: outputsOf(group) }));
}

/** One-token rows stay among themselves: two-token ones would double their cost. */
const sameKind = (a: Row, b: Row): boolean => (a.step.tokens.length === 1) === (b.step.tokens.length === 1);

function outputsOf(rows: readonly Row[]): StepOutputs {
  const targets = rows.some((row) => row.targets !== null)
    ? Int32Array.from(
        rows.flatMap((row) => [...(row.targets ?? new Int32Array(row.step.wanted.length).fill(-1))]),
      )
    : null;
  return {
    topK: Math.max(...rows.map((row) => row.topK)),
    fullLogits: rows.some((row) => row.fullLogits),
    targets,
  };
}
