import { randomBytes } from 'node:crypto';
import { type FileHandle, open, rename, rm, statfs } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { ZmeshError } from '#shared/errors.js';

/** How temporary files end; one that is left over was being written by a process that was killed. */
export const TEMPORARY_SUFFIX = '.partial';

/**
 * Writes a file so that it is there whole or not at all, also after a kill or a power cut: a temporary file beside it,
 * fsync, rename, fsync of the folder.
 * @param chunks the content in order.
 * @throws ZmeshError TOO_LARGE when the disk is full; the temporary file is removed.
 */
export async function writeFileAtomically(
  path: string,
  chunks: Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
): Promise<void> {
  const temporary = join(
    dirname(path),
    `.${basename(path)}.${randomBytes(6).toString('hex')}${TEMPORARY_SUFFIX}`,
  );
  try {
    const file = await open(temporary, 'wx');
    try {
      for await (const chunk of chunks) await writeAll(file, chunk);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw await explain(error, path);
  }
  await syncFolder(dirname(path));
}

async function writeAll(file: FileHandle, chunk: Uint8Array): Promise<void> {
  const stepBytes = 1 << 28;
  for (let start = 0; start < chunk.length; ) {
    const { bytesWritten } = await file.write(chunk, start, Math.min(stepBytes, chunk.length - start));
    start += bytesWritten;
  }
}

/** Makes the rename itself durable. Windows cannot open a folder and needs no such call. */
async function syncFolder(folder: string): Promise<void> {
  if (process.platform === 'win32') return;
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function explain(error: unknown, path: string): Promise<unknown> {
  const code = (error as NodeJS.ErrnoException).code;
  if (code !== 'ENOSPC' && code !== 'EDQUOT') return error;
  const { bavail, bsize } = await statfs(dirname(path));
  const message = `the disk is full: ${path} could not be written (${Math.floor((bavail * bsize) / 1e6)} MB are free)`;
  return new ZmeshError('TOO_LARGE', message, { limit: bavail * bsize, cause: error });
}
