import { mkdir, mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { ZmeshError } from '#shared/errors.js';
import { sha256Hex } from '#shared/ids.js';
import { runTool, toolRuns } from '#shared/run-tool.js';

/** pip, by the names it goes by. */
const PIPS: readonly (readonly string[])[] = [
  ['python3', '-m', 'pip'],
  ['python', '-m', 'pip'],
  ['pip3'],
  ['pip'],
];
const DOWNLOAD_TIMEOUT_MS = 5 * 60_000;
const POLL_MS = 250;

/** A wheel (a zip archive) that pip downloaded and whose hash was one of the expected ones. */
export interface Wheel {
  readonly name: string;
  readonly bytes: Buffer;
}

/**
 * Downloads the wheel of one release with `pip download`, so that mirrors and proxies are those that pip is set up for.
 * Rejects with one sentence: no pip or pip's own last line; ZmeshError CORRUPT for a wheel whose SHA-256 is not among `hashes`.
 */
export async function downloadWheel(options: {
  /** `name==version`. */
  readonly requirement: string;
  /** SHA-256 of the release's wheels, hex. */
  readonly hashes: readonly string[];
  /** Where a folder for the download is made, and removed again; made if missing. */
  readonly folder: string;
  readonly env: NodeJS.ProcessEnv;
  /** Hears how many bytes are there, a few times a second. */
  readonly onBytes?: (bytes: number) => void;
}): Promise<Wheel> {
  const { requirement, hashes, folder, env, onBytes } = options;
  const pip = await firstRunning(env);
  if (!pip) throw new Error('no pip on PATH');
  await mkdir(folder, { recursive: true });
  const staging = await mkdtemp(join(folder, 'download-'));
  // pip downloads into its temporary folder; there it is ours to watch and to remove.
  const pipEnv = { ...env, TMPDIR: staging, TEMP: staging, TMP: staging };
  const flags = [
    '--no-deps',
    '--only-binary=:all:',
    '--disable-pip-version-check',
    '--quiet',
    '--retries',
    '2',
    '--dest',
    staging,
  ];
  const stopWatching = watchBytes(staging, onBytes);
  try {
    await runTool([...pip, 'download', ...flags, requirement], {
      env: pipEnv,
      timeoutMs: DOWNLOAD_TIMEOUT_MS,
    });
    return await readWheel(staging, requirement, hashes);
  } finally {
    stopWatching();
    await rm(staging, { recursive: true, force: true });
  }
}

async function firstRunning(env: NodeJS.ProcessEnv): Promise<readonly string[] | undefined> {
  for (const pip of PIPS) if (await toolRuns([...pip, '--version'], env)) return pip;
  return undefined;
}

async function readWheel(folder: string, requirement: string, hashes: readonly string[]): Promise<Wheel> {
  const name = (await readdir(folder)).find((file) => file.endsWith('.whl'));
  if (!name) throw new Error(`pip left no wheel of ${requirement}`);
  const bytes = await readFile(join(folder, name));
  const hash = sha256Hex(bytes);
  if (!hashes.includes(hash)) {
    const message = `${name} has SHA-256 ${hash}, which is not one of the pinned ones`;
    throw new ZmeshError('CORRUPT', message, { limit: hashes.join(' '), value: hash });
  }
  return { name, bytes };
}

function watchBytes(folder: string, onBytes: ((bytes: number) => void) | undefined): () => void {
  if (!onBytes) return () => {};
  const timer = setInterval(() => {
    // Files come and go while pip works: what vanished between listing and asking does not count.
    void largestFile(folder).then(onBytes, () => {});
  }, POLL_MS);
  return () => clearInterval(timer);
}

/** Bytes of the largest file under a folder: the wheel, wherever pip has it at the moment. */
async function largestFile(folder: string): Promise<number> {
  let largest = 0;
  for (const entry of await readdir(folder, { recursive: true })) {
    const found = await stat(join(folder, entry)).catch(() => null);
    if (found?.isFile()) largest = Math.max(largest, found.size);
  }
  return largest;
}
