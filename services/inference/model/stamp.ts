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
    const { size, mtimeMs } = await stat(path);
    lines.push(`${basename(path)} ${size} ${mtimeMs}`);
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
