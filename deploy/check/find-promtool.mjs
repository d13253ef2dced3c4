import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { root } from '../local/setup.mjs';

/** What to do where it is missing. */
export const MISSING =
  'promtool is missing: install it (Debian and Ubuntu: apt-get install prometheus; macOS: brew install prometheus) or name it in ZMESH_PROMTOOL';

/**
 * Path of promtool: `ZMESH_PROMTOOL`, else on PATH, else in the cache; with `fetch`, and on a Debian, its package is
 * unpacked into the cache, which needs no rights and starts no service. Undefined where there is none.
 *
 * @param {{ fetch?: boolean, say?: (line: string) => void }} [options]
 * @returns {string | undefined}
 */
export function findPromtool({ fetch = false, say = () => {} } = {}) {
  const cache = resolve(root, process.env.ZMESH_HOME || '.zmesh', 'cache/deploy-tools');
  const cached = join(cache, 'promtool');
  const found = [process.env.ZMESH_PROMTOOL, 'promtool', cached].find((path) => path && runs(path));
  return found ?? (fetch && runs('apt-get') && runs('dpkg-deb') ? fetchDebian(cache, say) : undefined);
}

function runs(program) {
  try {
    execFileSync(program, ['--version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

/** Debian's package holds nothing that promtool needs beside the C library. */
function fetchDebian(cache, say) {
  mkdirSync(cache, { recursive: true });
  const folder = mkdtempSync(join(cache, 'promtool-'));
  const quietly = { cwd: folder, stdio: ['ignore', 'ignore', 'pipe'], encoding: 'utf8' };
  try {
    say("promtool: fetching Debian's prometheus package (once, about 20 MB) …");
    try {
      execFileSync('apt-get', ['download', '-qq', 'prometheus'], quietly);
    } catch {
      // The lists of packages may be missing or old, as in a fresh image.
      execFileSync('apt-get', ['update', '-qq'], quietly);
      execFileSync('apt-get', ['download', '-qq', 'prometheus'], quietly);
    }
    const [deb] = readdirSync(folder).filter((name) => name.endsWith('.deb'));
    execFileSync('dpkg-deb', ['-x', deb, 'package'], quietly);
    const path = join(cache, 'promtool');
    renameSync(join(folder, 'package/usr/bin/promtool'), path);
    return existsSync(path) && runs(path) ? path : undefined;
  } catch (error) {
    say(`promtool: Debian's package could not be had: ${String(error.stderr ?? error.message).trim()}`);
    return undefined;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
