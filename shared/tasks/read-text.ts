import { ZmeshError } from '../errors.js';
import { openRegularFile } from '../regular-file.js';

/**
 * The text of a task's file, without a byte order mark at its beginning. Throws INVALID_FIELD for what is no file and for bytes
 * that are not UTF-8 (replaced by marks they would make another question); a missing file stays Node's ENOENT.
 */
export async function readText(path: string): Promise<string> {
  const refuse = (fault: string, cause?: unknown): ZmeshError =>
    new ZmeshError('INVALID_FIELD', `bad tasks:\n${path}: ${fault}`, { field: 'tasks', value: path, cause });
  const file = await openRegularFile(path, refuse);
  try {
    const bytes = await file.readFile();
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (error) {
    throw error instanceof TypeError ? refuse('is not UTF-8', error) : error;
  } finally {
    await file.close();
  }
}
