import type { TaskItem } from './task.js';

/** The questions of a split that are none of the `used` ones: neither their ids nor what is asked. */
export function heldOut(split: readonly TaskItem[], used: readonly TaskItem[]): TaskItem[] {
  const asked = ({ system, prompt }: TaskItem): string => JSON.stringify([system ?? null, prompt]);
  const ids = new Set(used.map(({ id }) => id));
  const questions = new Set(used.map(asked));
  return split.filter((item) => !ids.has(item.id) && !questions.has(asked(item)));
}
