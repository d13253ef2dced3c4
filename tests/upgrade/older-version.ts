import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { projectRoot } from '#shared/paths.js';
import type { Cleanup } from '../support/cleanup.js';
import { buildServices } from './build-services.js';

const run = promisify(execFile);

/** The version before formats could be refused as newer ones: mixed into a mesh where the history has it. */
export const OLDER_COMMIT = 'a7d4903baa6f79ab9021e5550c984d1037515ce3';

/** Builds the services of an earlier commit in a folder that is removed in the end; undefined if the checkout has no such commit. */
export async function buildOlderVersion(t: Cleanup, commit = OLDER_COMMIT): Promise<string | undefined> {
  const known = await run('git', ['cat-file', '-e', `${commit}^{tree}`], { cwd: projectRoot }).then(
    () => true,
    () => false,
  );
  if (!known) return undefined;
  const root = await mkdtemp(join(tmpdir(), 'zmesh-older-'));
  t.after(() => rm(root, { recursive: true, force: true }));
  const archive = join(root, 'older.tar');
  const parts = ['proto', 'shared', 'services', 'package.json', 'buf.yaml', 'buf.gen.yaml', 'tsconfig.json'];
  await run('git', ['archive', '-o', archive, commit, ...parts], { cwd: projectRoot });
  await run('tar', ['-xf', archive, '-C', root]);
  await rm(join(root, 'services/cli'), { recursive: true });
  await buildServices(root);
  return root;
}
