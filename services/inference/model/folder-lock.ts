import { open, readFile, rm } from 'node:fs/promises';
import { ZmeshError } from '#shared/errors.js';

/**
 * Holds a lock file with this process's id, so that two imports do not write one folder. A lock of a dead process is taken over.
 * @returns what removes the lock.
 * @throws ZmeshError MODEL_CONFLICT if another process is at work.
 */
export async function lockFolder(path: string): Promise<() => Promise<void>> {
  if (!(await create(path))) {
    const holder = Number(await readFile(path, 'utf8').catch(() => ''));
    if (isAlive(holder)) {
      const message = `another import (process ${holder}) is preparing this model; if that is wrong, remove ${path}`;
      throw new ZmeshError('MODEL_CONFLICT', message, { value: holder });
    }
    await rm(path, { force: true });
    if (!(await create(path)))
      throw new ZmeshError('MODEL_CONFLICT', `another import has just begun: ${path}`);
  }
  return () => rm(path, { force: true });
}

async function create(path: string): Promise<boolean> {
  try {
    const file = await open(path, 'wx');
    await file.writeFile(String(process.pid));
    await file.close();
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

/** Containers reuse process ids: a lock that names ourselves is an earlier life's. */
function isAlive(pid: number): boolean {
  if (!Number.isSafeInteger(pid) || pid <= 0 || pid === process.pid) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
