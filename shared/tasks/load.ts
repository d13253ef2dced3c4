import { readdir, readFile, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { ZmeshError } from '#shared/errors.js';
import { parseTaskItems } from './parse.js';
import type { Task } from './task.js';

/** Which of a task's files is read from a folder. */
export type Split = 'train' | 'val' | 'test';

/**
 * Loads tasks from a path: a `.jsonl` file is one task, named for it; a folder with `<split>.jsonl` is one task, named for
 * the folder; a folder of such folders is all of them, by name. Throws INVALID_FIELD for a path without tasks or for
 * faults inside the files.
 */
export async function loadTasks(path: string, split: Split = 'test'): Promise<Task[]> {
  const kind = await stat(path).catch(() => undefined);
  if (kind?.isFile()) return [await loadFile(path, basename(path).replace(/\.jsonl$/, ''))];
  if (!kind?.isDirectory()) throw noTasks(path, 'there is no such file or folder');
  const entries = (await readdir(path, { withFileTypes: true })).sort((a, b) => (a.name < b.name ? -1 : 1));
  const file = `${split}.jsonl`;
  if (entries.some((entry) => entry.name === file)) return [await loadFile(join(path, file), basename(path))];
  const tasks: Task[] = [];
  for (const folder of entries.filter((entry) => entry.isDirectory())) {
    const inside = join(path, folder.name, file);
    if (await stat(inside).catch(() => undefined)) tasks.push(await loadFile(inside, folder.name));
  }
  if (tasks.length === 0) throw noTasks(path, `neither it nor a folder in it holds ${file}`);
  return tasks;
}

async function loadFile(path: string, name: string): Promise<Task> {
  return { name, items: parseTaskItems(await readFile(path, 'utf8'), path) };
}

function noTasks(path: string, why: string): ZmeshError {
  return new ZmeshError('INVALID_FIELD', `no tasks at ${path}: ${why}`, { field: 'tasks', value: path });
}
