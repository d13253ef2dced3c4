import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { projectRoot } from '#shared/paths.js';
import type { Cleanup } from '../support/cleanup.js';
import { buildServices } from './build-services.js';
import { type Edit, NEXT_VERSION } from './edits.js';

const FOLDERS = ['proto', 'shared', 'services'];
const FILES = ['package.json', 'buf.yaml', 'buf.gen.yaml', 'tsconfig.json'];

/**
 * Builds the services of a next version of zmesh from this one's sources, changed by `edits`, in a folder of its own that is
 * removed in the end; its path. The contract is generated and everything is compiled and type-checked as in this project.
 */
export async function buildNextVersion(t: Cleanup, edits: readonly Edit[] = NEXT_VERSION): Promise<string> {
  const root = await mkdtemp(join(tmpdir(), 'zmesh-next-'));
  t.after(() => rm(root, { recursive: true, force: true }));
  await Promise.all([
    ...FOLDERS.map((name) =>
      cp(join(projectRoot, name), join(root, name), { recursive: true, filter: kept }),
    ),
    ...FILES.map((name) => cp(join(projectRoot, name), join(root, name))),
  ]);
  for (const edit of edits) await apply(root, edit);
  await buildServices(root);
  return root;
}

/** The command line is no part of a mesh, and what was generated is generated anew. */
function kept(path: string): boolean {
  return !/\/services\/cli$|\/proto\/gen$/.test(path);
}

async function apply(root: string, { file, find, replace }: Edit): Promise<void> {
  const path = join(root, file);
  const text = await readFile(path, 'utf8');
  const found = text.split(find).length - 1;
  if (found !== 1) throw new Error(`${file} has ${found} times, not once: ${find}`);
  await writeFile(
    path,
    text.replace(find, () => replace),
  );
}
