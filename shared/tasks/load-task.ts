import { stat } from 'node:fs/promises';
import { basename, extname, join } from 'node:path';
import type { TaskDefaults } from './defaults.js';
import { taskHash } from './hash.js';
import { readLayout } from './layouts/read-layout.js';
import { noTasks } from './no-tasks.js';
import { type PlacedItem, type Row, readItems, rowsOf, throwFaults } from './parse.js';
import { readText } from './read-text.js';
import { crossSplitFaults, itemsOf, type SplitRows } from './splits.js';
import { SPLITS, type Split, type Task } from './task.js';
import { NO_TASK_FILE, readTaskFile, type TaskSource } from './task-file.js';

/** How a path is read. */
export interface LoadTaskOptions {
  /** Reads published data at the path; fields win over those of `task.json`. */
  readonly source?: TaskSource;
  /** Budget of questions that name none; wins over that of `task.json`. */
  readonly maxTokens?: number | undefined;
}

/**
 * Loads a task: a folder with `task.json` (which may be missing) and `{train,val,test}.jsonl` (each may be missing), named
 * for the folder; or one `.jsonl` file, named for the file, whose questions may name their `split` (default test); or, with
 * a source that names a layout, published data. Throws INVALID_FIELD with all faults as `file:line: what`: fields, verifiers,
 * an id twice, a prompt in two splits (published data may have some in common).
 */
export async function loadTask(path: string, options: LoadTaskOptions = {}): Promise<Task> {
  const kind = await stat(path).catch(() => undefined);
  if (!kind) throw noTasks(path, 'there is no such file or folder');
  const file = kind.isDirectory() ? await readTaskFile(join(path, 'task.json')) : NO_TASK_FILE;
  const source = { ...file.source, ...options.source };
  const saidBy = (field: keyof TaskSource): string =>
    options.source?.[field] === undefined && file.source?.[field] !== undefined
      ? join(path, 'task.json')
      : path;
  const published = source.layout === undefined ? undefined : await readLayout(path, source, saidBy);
  const rows = published?.rows ?? (kind.isDirectory() ? await rowsOfFolder(path) : await rowsOfFile(path));
  const defaults: TaskDefaults = {
    system: file.system ?? published?.layout.defaults.system,
    template: file.template,
    maxTokens: options.maxTokens ?? file.maxTokens ?? published?.layout.defaults.maxTokens,
    verifier: file.verifier,
  };
  const sharedPrompts = file.sharedPrompts || published !== undefined;
  const splits = itemsOf(checked(path, rows, { defaults, sharedPrompts }));
  const { system, template, maxTokens } = defaults;
  const name = file.name ?? (kind.isDirectory() ? basename(path) : basename(path, extname(path)));
  return { name, hash: taskHash(splits), splits, system, template, maxTokens };
}

async function rowsOfFile(path: string): Promise<SplitRows> {
  return { test: rowsOf(await readText(path), path) };
}

async function rowsOfFolder(folder: string): Promise<SplitRows> {
  const rows: Partial<Record<Split, Row[]>> = {};
  for (const split of SPLITS) {
    const path = join(folder, `${split}.jsonl`);
    const text = await readText(path).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return undefined;
      throw error;
    });
    if (text !== undefined) rows[split] = rowsOf(text, path);
  }
  return rows;
}

/** All rows as questions of their splits. Throws INVALID_FIELD. */
function checked(
  path: string,
  rows: SplitRows,
  { defaults, sharedPrompts }: { readonly defaults: TaskDefaults; readonly sharedPrompts: boolean },
): Record<Split, PlacedItem[]> {
  const placed: Record<Split, PlacedItem[]> = { train: [], val: [], test: [] };
  const faults: string[] = [];
  for (const name of SPLITS) {
    const read = readItems(rows[name] ?? [], defaults);
    faults.push(...read.faults);
    for (const item of read.items) placed[item.split ?? name].push(item);
  }
  if (faults.length === 0) faults.push(...crossSplitFaults(placed, sharedPrompts));
  if (faults.length === 0 && SPLITS.every((name) => placed[name].length === 0))
    faults.push(
      `${path}: holds no question; a task is a folder with train.jsonl, val.jsonl and test.jsonl, or one such file`,
    );
  throwFaults(faults);
  return placed;
}
