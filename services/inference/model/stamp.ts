import { readFile, stat } from 'node:fs/promises';
import { basename } from 'node:path';
import { writeFileAtomically } from '#shared/safetensors/atomic-file.js';
import type { AdaptScope } from './canonical.js';

/**
 * Sizes and times of a checkpoint's files, as one string. An equal stamp means that nothing was touched since, so that a
 * model need not be hashed again to be known as current.
 */
export async function makeStamp(files: readonly string[], scope: AdaptScope): Promise<string> {
  const lines = [`adapt ${scope}`];
  for (const path of [...files].sort()) {
    const status = await stat(path).catch(() => null);
    // A link that leads nowhere is a fault where the file is needed, and none where it is not.
    lines.push(`${basename(path)} ${status === null ? 'missing' : `${status.size} ${status.mtimeMs}`}`);
  }
  return lines.join('\n');
}

/** The stamp that a prepared folder keeps; empty if there is none. */
export async function readStamp(path: string): Promise<string> {
  return readFile(path, 'utf8').catch(() => '');
}

/** Keeps a stamp. */
export async function writeStamp(path: string, stamp: string): Promise<void> {
  await writeFileAtomically(path, [Buffer.from(stamp)]);
}
