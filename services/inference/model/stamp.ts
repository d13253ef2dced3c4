import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { writeFileAtomically } from '#shared/safetensors/atomic-file.js';
import type { AdaptScope } from './canonical.js';

/** Files of a checkpoint that an import reads. */
const RELEVANT = /\.(json|safetensors|jinja)$/;

/**
 * Sizes and times of a checkpoint's files, as one string. An equal stamp means that nothing was touched since, so that a
 * model need not be hashed again to be known as current.
 */
export async function makeStamp(folder: string, scope: AdaptScope): Promise<string> {
  const lines = [`adapt ${scope}`];
  for (const name of (await readdir(folder)).filter((name) => RELEVANT.test(name)).sort()) {
    const { size, mtimeMs } = await stat(join(folder, name));
    lines.push(`${name} ${size} ${mtimeMs}`);
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
