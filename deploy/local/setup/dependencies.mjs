import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { readOr } from './files.mjs';
import { runTool } from './run-tool.mjs';

/** The packages of package-lock.json. */
export const dependencies = {
  name: 'dependencies',

  /** Why they must be installed; undefined if all are there. */
  due(root) {
    const installed = join(root, 'node_modules/.package-lock.json');
    if (!existsSync(installed)) return 'not installed';
    const missing = missingPackages(
      JSON.parse(readOr(join(root, 'package-lock.json'))).packages,
      JSON.parse(readOr(installed)).packages,
    );
    return missing.length === 0
      ? undefined
      : `${missing.length} differ from the lock file (${missing[0]}${missing.length > 1 ? ', …' : ''})`;
  },

  async run(root) {
    const npm = process.env.npm_execpath;
    const args = ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'];
    const env = Object.fromEntries(
      Object.entries(process.env).filter(([name]) => !name.startsWith('npm_lifecycle_')),
    );
    if (npm?.endsWith('js')) await runTool(process.execPath, [npm, ...args], { cwd: root, env });
    else await runTool('npm', args, { cwd: root, env });
  },
};

/**
 * Names of locked packages that are not installed in the locked version. Optional ones (binaries of other platforms)
 * may be absent. npm writes the installed list last, so an interrupted installation has none.
 */
export function missingPackages(locked, installed) {
  return Object.entries(locked)
    .filter(([path, entry]) => {
      if (path === '') return false;
      const there = installed[path];
      if (!there) return !entry.optional && !entry.devOptional && !entry.peer;
      return there.version !== entry.version;
    })
    .map(([path]) => path.replace(/^.*node_modules\//, ''));
}
