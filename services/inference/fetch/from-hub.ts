import { mkdir, readFile, stat, statfs } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { ZmeshError } from '#shared/errors.js';
import { lockFolder } from '../model/folder-lock.js';
import { parseJsonFields } from '../model/json-fields.js';
import { shardsOf } from '../model/shards.js';
import { downloadFile } from './download.js';
import type { FetchEvent } from './fetch-event.js';
import { formatBytes } from './fetch-progress.js';
import { type HubFile, type HubRepository, openHubRepository } from './hub.js';
import { HUB_PATIENCE, type HubPatience } from './hub-fetch.js';
import { ggufFiles, INDEX_FILE, localName, neededFiles, weightLayout } from './needed-files.js';
import { createPace } from './pace.js';
import type { HubReference } from './reference.js';

/** What to fetch from the hub. */
export interface HubFetchOptions {
  readonly reference: HubReference;
  /** Path of a GGUF file in the repository; null = its safetensors checkpoint. */
  readonly file: string | null;
  readonly home: string;
  /** `HF_ENDPOINT` and `HF_TOKEN` are read. */
  readonly env: NodeJS.ProcessEnv;
  readonly onEvent: (event: FetchEvent) => void;
  readonly patience?: HubPatience;
}

/** What the steps of one fetch share. */
interface Fetch {
  readonly repository: HubRepository;
  readonly folder: string;
  readonly patience: HubPatience;
  readonly onEvent: (event: FetchEvent) => void;
}

/** Largest list of shards that is read, bytes. */
const INDEX_BYTES_MAX = 64 << 20;

/**
 * Brings the files of a model on the Hugging Face hub that an import needs into the cache of `home`, by commit, and returns
 * what to import: the folder, or the GGUF file. Files that are there whole are used again, half ones go on.
 * @throws ZmeshError SOURCE_UNAVAILABLE, UNKNOWN_MODEL, INVALID_FIELD (nothing that can be imported), CORRUPT, TOO_LARGE (disk).
 */
export async function fetchFromHub(options: HubFetchOptions): Promise<string> {
  const { reference, file, home, env, onEvent, patience = HUB_PATIENCE } = options;
  const started = performance.now();
  const onNote = (message: string): void => onEvent({ type: 'note', message });
  const repository = await openHubRepository({ reference, env, patience, onNote });
  const folder = join(home, 'cache', 'hub', repository.name.replace('/', '--'), repository.commit);
  await mkdir(folder, { recursive: true });
  const unlock = await lockFolder(join(folder, 'fetch.lock'));
  try {
    const fetch = { repository, folder, patience, onEvent };
    const files = await chooseFiles(fetch, file);
    const downloaded = await fetchAll(fetch, files);
    const path = file === null ? folder : join(folder, localName(files[0]!));
    const bytes = sum(files.map(({ size }) => size));
    const seconds = (performance.now() - started) / 1000;
    onEvent({ type: 'fetched', path, bytes, downloaded, seconds });
    return path;
  } finally {
    await unlock();
  }
}

async function chooseFiles(fetch: Fetch, file: string | null): Promise<readonly HubFile[]> {
  const { repository } = fetch;
  const { name } = repository;
  if (file !== null) {
    const parent = dirname(file);
    return ggufFiles(name, await repository.list(parent === '.' ? '' : parent), file);
  }
  const files = await repository.list('');
  if (weightLayout(name, files) === 'whole') return neededFiles(name, files, null);
  const index = files.find(({ path }) => path === INDEX_FILE)!;
  if (index.size > INDEX_BYTES_MAX) {
    const message = `${INDEX_FILE} of ${name} has ${index.size} bytes, at most ${INDEX_BYTES_MAX} are read`;
    throw new ZmeshError('TOO_LARGE', message, { limit: INDEX_BYTES_MAX, value: index.size });
  }
  if ((await bytesThere(fetch.folder, index)) < index.size) await fetchOne(fetch, index, () => {});
  const text = await readFile(join(fetch.folder, INDEX_FILE), 'utf8');
  return neededFiles(name, files, shardsOf(parseJsonFields(`${name}: ${INDEX_FILE}`, text)));
}

/** Returns whether anything had to be downloaded. */
async function fetchAll(fetch: Fetch, files: readonly HubFile[]): Promise<boolean> {
  const { repository, folder, onEvent } = fetch;
  const there = await Promise.all(files.map((file) => bytesThere(folder, file)));
  const totalBytes = sum(files.map(({ size }) => size));
  const reusedBytes = sum(there);
  const open = files.filter((file, index) => there[index] !== file.size || file.size === 0);
  if (totalBytes === reusedBytes) return false;
  await checkDiskSpace(folder, totalBytes - reusedBytes);
  const from = `${repository.name}@${repository.commit.slice(0, 12)}`;
  onEvent({ type: 'fetch', from, folder, files: files.length, totalBytes, reusedBytes });
  const pace = createPace({ startBytes: reusedBytes, totalBytes, onEvent });
  let done = reusedBytes;
  for (const file of open) {
    await fetchOne(fetch, file, (bytes) => pace(localName(file), done + bytes));
    done += file.size;
  }
  return true;
}

async function fetchOne(
  { repository, folder, patience, onEvent }: Fetch,
  file: HubFile,
  onBytes: (bytes: number) => void,
): Promise<void> {
  await downloadFile({
    file,
    target: join(folder, localName(file)),
    read: (fromByte, signal) => repository.read(file, fromByte, signal),
    patience,
    onBytes,
    onNote: (message) => onEvent({ type: 'note', message }),
  });
}

/** A file gets its name only when it is whole and checked: one of the right size is taken as it is. */
async function bytesThere(folder: string, file: HubFile): Promise<number> {
  const found = await stat(join(folder, localName(file))).catch(() => null);
  return found?.isFile() && found.size === file.size ? file.size : 0;
}

async function checkDiskSpace(folder: string, neededBytes: number): Promise<void> {
  const { bavail, bsize } = await statfs(folder);
  const freeBytes = bavail * bsize;
  if (neededBytes <= freeBytes) return;
  const message = `${formatBytes(neededBytes)} are to be fetched, the disk of ${folder} has ${formatBytes(freeBytes)} free`;
  throw new ZmeshError('TOO_LARGE', message, { limit: freeBytes, value: neededBytes });
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
