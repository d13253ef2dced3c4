import { readdir, stat } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';

/**
 * The task folders beside a task's folder, sorted by path: those that hold a `task.json` or a `test.jsonl`. None for a task that is one file,
 * whose neighbours may be anything.
 */
export async function tasksBeside(path: string): Promise<string[]> {
  const own = resolve(path);
  if (!(await stat(own)).isDirectory()) return [];
  const around = await readdir(dirname(own), { withFileTypes: true });
  const folders = around.filter((entry) => entry.isDirectory()).map(({ name }) => join(dirname(own), name));
  const found: string[] = [];
  for (const folder of folders.sort()) {
    if (folder === own) continue;
    if (await holdsTask(folder)) found.push(folder);
  }
  return found;
}

async function holdsTask(folder: string): Promise<boolean> {
  for (const name of ['task.json', 'test.jsonl']) {
    const file = await stat(join(folder, name)).catch(() => undefined);
    if (file?.isFile()) return true;
  }
  return false;
}
