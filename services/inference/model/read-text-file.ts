import { ZmeshError } from '#shared/errors.js';
import { openRegularFile } from '#shared/regular-file.js';

/** Largest JSON or template file; chosen above what vocabularies of some 260 000 tokens take. */
export const TEXT_BYTES_MAX = 128 * 1024 * 1024;

/**
 * Reads a text file of a checkpoint; null if there is none.
 * @throws ZmeshError INVALID_FIELD for what is not a regular file, not UTF-8, or over the limit, before it is read.
 */
export async function readTextFile(path: string, maxBytes = TEXT_BYTES_MAX): Promise<string | null> {
  const bad = (fault: string, cause?: unknown): ZmeshError =>
    new ZmeshError('INVALID_FIELD', `${path}: ${fault}`, { cause });
  const file = await openRegularFile(path, bad).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return null;
    throw error;
  });
  if (file === null) return null;
  try {
    const { size } = await file.stat();
    if (size > maxBytes) throw bad(`it has ${size} bytes, the limit is ${maxBytes}`);
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(await file.readFile());
  } catch (error) {
    throw error instanceof ZmeshError ? error : bad(`it is not UTF-8 text`, error);
  } finally {
    await file.close();
  }
}
