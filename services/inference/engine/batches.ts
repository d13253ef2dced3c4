import type { StepOutputs } from '../runtime/runtime.js';
import type { Row } from './task.js';

/** Rows that go through the runtime together. */
export interface Batch {
  readonly rows: readonly Row[];
  readonly outputs: StepOutputs;
}

/** Rows are padded to their batch's longest, so a batch's shortest row is at least this share of it. */
const LENGTH_RATIO_MIN = 0.5;

/**
 * Groups the rows of one step by length, short ones first: running answers do not wait for prompts; batches of batch requests alone go
 * last. One-token rows are padded to the longest past of their batch as well: `paddingMax` pages at most in all, what more would cost
 * being as much as another batch.
 */
export function groupRows(rows: readonly Row[], paddingMax: number): readonly Batch[] {
  const sorted = [...rows].sort(
    (a, b) => a.step.tokens.length - b.step.tokens.length || a.step.pastLength - b.step.pastLength,
  );
  const groups: Row[][] = [];
  let padding = 0;
  for (const row of sorted) {
    const group = groups.at(-1);
    const longer = group ? group.length * (pastPages(row) - pastPages(group.at(-1)!)) : 0;
    if (group && alike(group[0]!, row) && (row.step.tokens.length > 1 || padding + longer <= paddingMax)) {
      padding += longer;
      group.push(row);
    } else {
      padding = 0;
      groups.push([row]);
    }
  }
  const forPeople = (group: readonly Row[]): boolean =>
    group.some(({ task }) => task.priority === 'interactive');
  return [...groups.filter(forPeople), ...groups.filter((group) => !forPeople(group))].map((group) => ({
    rows: group,
    outputs: outputsOf(group),
  }));
}

const pastPages = ({ step }: Row): number => step.pages.length;

/** Whether rows of these lengths share a batch, `a` being the shorter one. */
const alike = (a: Row, b: Row): boolean =>
  a.step.tokens.length >= b.step.tokens.length * LENGTH_RATIO_MIN && sameKind(a, b);

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
