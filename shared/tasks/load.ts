import { readdir, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { type LoadTaskOptions, loadTask } from './load-task.js';
import { noTasks } from './no-tasks.js';
import { SPLITS, type Split, type TaskSplit } from './task.js';

/**
 * Loads one split of every task under a path: what `loadTask` takes, or a folder of such folders, by name. A task without
 * questions in that split is left out; a file whose questions name no split is all of it. Throws INVALID_FIELD for a path without tasks or for faults inside the files.
 */
export async function loadTasks(
  path: string,
  split: Split = 'test',
  options: LoadTaskOptions = {},
): Promise<TaskSplit[]> {
  const kind = await stat(path).catch(() => undefined);
  if (!kind) throw noTasks(path, 'there is no such file or folder');
  const isOne = !kind.isDirectory() || options.source?.layout !== undefined || (await isTaskFolder(path));
  const paths = !isOne ? await taskFoldersIn(path) : [path];
  const tasks: TaskSplit[] = [];
  for (const one of paths) {
    const { name, splits } = await loadTask(one, options);
    const splitless = !kind.isDirectory() && splits.train.length + splits.val.length === 0;
    const items = splits[splitless ? 'test' : split];
    if (items.length > 0) tasks.push({ name, items });
  }
  if (tasks.length > 0) return tasks;
  throw noTasks(path, `neither it nor a folder in it holds questions of the split ${split}`);
}

async function taskFoldersIn(path: string): Promise<string[]> {
  const entries = (await readdir(path, { withFileTypes: true })).filter((entry) => entry.isDirectory());
  const names = entries.map(({ name }) => name).sort();
  const folders = names.map((name) => join(path, name));
  const are = await Promise.all(folders.map(isTaskFolder));
  return folders.filter((_, i) => are[i]);
}

async function isTaskFolder(path: string): Promise<boolean> {
  const files = ['task.json', ...SPLITS.map((split) => `${split}.jsonl`)];
  return (await readdir(path)).some((name) => files.includes(basename(name)));
}
