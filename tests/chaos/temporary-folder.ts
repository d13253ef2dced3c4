import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Cleanup } from '../support/cleanup.js';

/** A new folder that is removed in the end. */
export async function temporaryFolder(t: Cleanup): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'zmesh-chaos-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  return folder;
}
