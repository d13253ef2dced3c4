import { readFile, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { taskHash } from './hash.js';
import { noTasks } from './no-tasks.js';
import { type PlacedItem, readItems, rowsOf, throwFaults } from './parse.js';
import { crossSplitFaults, itemsOf, type SplitRows } from './splits.js';
import { SPLITS, type Split, type Task } from './task.js';
import { NO_TASK_FILE, readTaskFile, type TaskFile } from './task-file.js';

/**
 * Loads a task: a folder with `task.json` (which may be missing) and `{train,val,test}.jsonl` (each may be missing), named
 * for the folder, or one `.jsonl` file, named for the file, whose questions may name their `split` (default test).
 * Throws INVALID_FIELD with all faults as `file:line: what`: fields, verifiers, an id twice, a prompt in two splits.
 */
export async function loadTask(path: string): Promise<Task> {
  const kind = await stat(path).catch(() => undefined);
  if (!kind) throw noTasks(path, 'there is no such file or folder');
  const isFolder = kind.isDirectory();
  const file = isFolder ? await readTaskFile(join(path, 'task.json')) : NO_TASK_FILE;
  const rows = isFolder ? await rowsOfFolder(path) : { test: rowsOf(await readFile(path, 'utf8'), path) };
  const { system, template, maxTokens } = file;
  const splits = itemsOf(checked(path, rows, file));
  return {
    name: file.name ?? basename(path).replace(/\.jsonl$/, ''),
    hash: taskHash(splits),
    splits,
    system,
    template,
    maxTokens,
  };
}

async function rowsOfFolder(folder: string): Promise<SplitRows> {
  const rows: Partial<Record<Split, ReturnType<typeof rowsOf>>> = {};
  for (const split of SPLITS) {
    const path = join(folder, `${split}.jsonl`);
    const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return undefined;
      throw error;
    });
    if (text !== undefined) rows[split] = rowsOf(text, path);
  }
  return rows;
}

/** All rows as questions of their splits. Throws INVALID_FIELD. */
function checked(path: string, rows: SplitRows, file: TaskFile): Record<Split, PlacedItem[]> {
  const placed: Record<Split, PlacedItem[]> = { train: [], val: [], test: [] };
  const faults: string[] = [];
  const split = (name: Split): void => {
    const read = readItems(rows[name] ?? [], file);
    faults.push(...read.faults);
    for (const item of read.items) placed[item.split ?? name].push(item);
  };
  for (const name of SPLITS) split(name);
  if (faults.length === 0) faults.push(...crossSplitFaults(placed, file.sharedPrompts));
  if (faults.length === 0 && SPLITS.every((name) => placed[name].length === 0))
    faults.push(`${path}: holds no question`);
  throwFaults(faults);
  return placed;
}
