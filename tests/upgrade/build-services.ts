import { execFile } from 'node:child_process';
import { readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { projectRoot } from '#shared/paths.js';

const run = promisify(execFile);

/**
 * Builds the services of a checkout of another version, with this project's dependencies: generates its contract, compiles and
 * type-checks. Rejects with what the tools said.
 */
export async function buildServices(root: string): Promise<void> {
  const bin = join(root, 'node_modules/.bin');
  await symlink(join(projectRoot, 'node_modules'), join(root, 'node_modules'));
  const config = JSON.parse(await readFile(join(root, 'tsconfig.json'), 'utf8'));
  config.include = ['proto/gen', 'shared', 'services'];
  Object.assign(config.compilerOptions, { incremental: false, tsBuildInfoFile: undefined, sourceMap: false });
  await writeFile(join(root, 'tsconfig.json'), JSON.stringify(config));
  const image = 'proto/gen/image.binpb';
  await tool(root, join(bin, 'buf'), ['generate']);
  await tool(root, join(bin, 'buf'), [
    ...['build', '--as-file-descriptor-set', '--exclude-source-info', '-o', image],
  ]);
  await tool(root, join(bin, 'tsc'), ['-p', '.']);
}

async function tool(cwd: string, command: string, args: readonly string[]): Promise<void> {
  await run(command, args, { cwd }).catch((error: { stdout?: string; stderr?: string }) => {
    throw new Error(`${command} ${args.join(' ')} failed:\n${error.stdout}\n${error.stderr}`);
  });
}
