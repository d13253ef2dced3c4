import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';

/**
 * Opens a file for reading. A folder, device, pipe or socket is refused, and a pipe that nobody writes to is not waited
 * for. Links are followed: the cache of Hugging Face is made of them.
 * @param refuse makes the error from what is wrong with the path, as `it is a folder`; a missing file stays Node's ENOENT (or ENOTDIR).
 */
export async function openRegularFile(path: string, refuse: (fault: string) => Error): Promise<FileHandle> {
  let file: FileHandle;
  try {
    // Windows has no O_NONBLOCK, and no pipes among its files.
    file = await open(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const fault = code === undefined ? undefined : FAULTS[code];
    throw fault === undefined ? error : refuse(fault);
  }
  const status = await file.stat();
  if (status.isFile()) return file;
  await file.close();
  throw refuse(
    status.isDirectory() ? 'it is a folder, not a file' : 'it is a device, pipe or socket, not a file',
  );
}

const FAULTS: Readonly<Record<string, string>> = {
  EISDIR: 'it is a folder, not a file',
  ENXIO: 'it is a device, pipe or socket, not a file',
  ELOOP: 'its symbolic links go in a circle',
  ENAMETOOLONG: 'its name is too long',
  EACCES: 'it may not be read by this user',
  EPERM: 'it may not be read by this user',
};
