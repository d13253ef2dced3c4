import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import { basename, join } from 'node:path';
import { home } from './places.mjs';
import { withProgress } from './progress.mjs';

/**
 * A program of a Go module at an exact version, built once into the cache.
 * Throws one sentence that says what to install if it is not there and cannot be built.
 *
 * @param {{ name: string, package: string, version: string }} tool `package` is what `go install` takes
 * @returns {Promise<string>} path of the binary
 */
export async function goTool({ name, package: path, version }) {
  const folder = join(home, 'cache/deploy-tools');
  const binary = join(folder, `${name}-${version}`);
  if (existsSync(binary)) return binary;
  needGo(`${name} ${version} is not in ${folder}, and building it`);
  mkdirSync(folder, { recursive: true });
  const building = mkdtempSync(join(folder, 'building-'));
  try {
    await withProgress(
      `building ${name} ${version} from its Go module (once)`,
      'go',
      ['install', `${path}@${version}`],
      {
        env: { ...process.env, GOBIN: building, GOFLAGS: '-buildvcs=false' },
      },
    );
    renameSync(join(building, basename(path)), binary);
  } finally {
    rmSync(building, { recursive: true, force: true });
  }
  return binary;
}

/**
 * The folder of a Go module's source at an exact version, from the module cache.
 *
 * @param {string} module
 * @param {string} version
 */
export function goModule(module, version) {
  needGo(`reading ${module} ${version}`);
  const json = execFileSync('go', ['mod', 'download', '-json', `${module}@${version}`], {
    encoding: 'utf8',
    env: { ...process.env, GOFLAGS: '-mod=mod' },
  });
  return JSON.parse(json).Dir;
}

function needGo(what) {
  try {
    execFileSync('go', ['version'], { stdio: 'ignore' });
  } catch {
    throw new Error(`${what} needs Go 1.24 or newer on PATH (Debian: golang, macOS: brew install go)`);
  }
}
