import { sha256Hex } from '../ids.js';
import { SPLITS, type Split, type TaskItem } from './task.js';

/**
 * SHA-256 of a task's content, 64 hex digits: a line `zmesh-task-1`, then for each split in the order train, val, test its
 * name and its number of questions, and each question as JSON with sorted keys, a line each. What a question is asked and
 * how it is judged counts; names, files and layouts do not.
 */
export function taskHash(splits: Readonly<Record<Split, readonly TaskItem[]>>): string {
  const parts = ['zmesh-task-1\n'];
  for (const split of SPLITS) {
    parts.push(`${split} ${splits[split].length}\n`);
    for (const item of splits[split]) parts.push(`${canonicalJson(item)}\n`);
  }
  return sha256Hex(...parts);
}

/** JSON with keys in the order of their code units and without white space; undefined fields are left out. */
export function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_, inner: unknown) =>
    typeof inner === 'object' && inner !== null && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
      : inner,
  );
}
