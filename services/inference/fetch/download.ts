import type { Hash } from 'node:crypto';
import { constants } from 'node:fs';
import { type FileHandle, open, rename, rm } from 'node:fs/promises';
import { setTimeout as wait } from 'node:timers/promises';
import { ZmeshError } from '#shared/errors.js';
import { TEMPORARY_SUFFIX } from '#shared/safetensors/atomic-file.js';
import { beginHash } from './content-hash.js';
import type { HubContent, HubFile } from './hub.js';
import { backoffMs, causeOf, type HubPatience } from './hub-fetch.js';

/** One file to be brought to `target`. */
export interface DownloadOptions {
  readonly file: HubFile;
  readonly target: string;
  /** Opens the content from a byte on. */
  readonly read: (fromByte: number, signal: AbortSignal) => Promise<HubContent>;
  readonly patience: HubPatience;
  /** Hears how much of the file is there. */
  readonly onBytes: (doneBytes: number) => void;
  readonly onNote: (message: string) => void;
}

/** A connection that lasted this long, in bytes, makes the count of attempts begin anew. */
const PROGRESS_BYTES = 1 << 20;
const CHUNK_BYTES = 1 << 20;

/** The file that is being received: what is on disk, and the hash of it. */
interface Receiving {
  readonly file: FileHandle;
  doneBytes: number;
  hash: Hash;
}

/** The connection was lost; what came so far is kept. */
class Lost extends Error {}

/**
 * Downloads a file so that it is there whole or not at all: into `<target>.partial`, on from there after a lost
 * connection or an earlier run, hashed as it comes, then renamed.
 * @throws ZmeshError SOURCE_UNAVAILABLE when all attempts are spent (what came is kept for the next run), CORRUPT for another
 *   size or hash than the hub told (nothing is kept).
 */
export async function downloadFile(options: DownloadOptions): Promise<void> {
  const partial = `${options.target}${TEMPORARY_SUFFIX}`;
  const file = await open(partial, constants.O_RDWR | constants.O_CREAT);
  try {
    const receiving = { file, doneBytes: 0, hash: startHash(options) };
    await takeUp(receiving, options);
    const resumed = receiving.doneBytes > 0;
    await receiveAll(receiving, options);
    if (!isSound(receiving, options)) {
      if (!resumed) throw await corrupt(options, partial);
      options.onNote(`what an earlier run left of ${options.file.path} is damaged; starting it again`);
      await restart(receiving, options);
      await receiveAll(receiving, options);
      if (!isSound(receiving, options)) throw await corrupt(options, partial);
    }
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(partial, options.target);
}

async function receiveAll(receiving: Receiving, options: DownloadOptions): Promise<void> {
  const { file, patience, onNote } = options;
  for (let attempt = 1; receiving.doneBytes < file.size; attempt += 1) {
    const before = receiving.doneBytes;
    try {
      await receiveSome(receiving, options);
    } catch (error) {
      if (!(error instanceof Lost)) throw error;
      if (receiving.doneBytes - before >= PROGRESS_BYTES) attempt = 1;
      const trouble = `the connection was lost after ${receiving.doneBytes} of ${file.size} bytes of ${file.path} (${error.message})`;
      if (attempt >= patience.attempts)
        throw new ZmeshError(
          'SOURCE_UNAVAILABLE',
          `${trouble}, ${attempt} times; the next run goes on there`,
          {
            limit: patience.attempts,
            cause: error,
          },
        );
      const pauseMs = backoffMs(patience, attempt);
      onNote(`${trouble}; trying again in ${pauseMs / 1000} s`);
      await wait(pauseMs);
    }
  }
}

/** Receives until the answer ends or is lost. */
async function receiveSome(receiving: Receiving, options: DownloadOptions): Promise<void> {
  const { file, patience, onBytes } = options;
  const stalled = new AbortController();
  const content = await options.read(receiving.doneBytes, stalled.signal);
  if (content.fromByte !== receiving.doneBytes) {
    if (content.fromByte !== 0)
      throw new ZmeshError(
        'SOURCE_UNAVAILABLE',
        `asked for ${file.path} from byte ${receiving.doneBytes}, it comes from ${content.fromByte}`,
      );
    await restart(receiving, options);
  }
  for await (const chunk of watched(content.chunks, stalled, patience.stallMs)) {
    if (receiving.doneBytes + chunk.length > file.size) {
      stalled.abort();
      throw await corrupt(
        options,
        `${options.target}${TEMPORARY_SUFFIX}`,
        `has more than ${file.size} bytes`,
      );
    }
    await writeAll(receiving, chunk);
    receiving.hash.update(chunk);
    receiving.doneBytes += chunk.length;
    onBytes(receiving.doneBytes);
  }
  if (receiving.doneBytes < file.size) throw new Lost('it ended early');
}

/** Passes chunks on; a fault of the connection, or silence, becomes Lost. A fault of whoever takes them does not. */
async function* watched(
  chunks: HubContent['chunks'],
  stalled: AbortController,
  stallMs: number,
): AsyncGenerator<Uint8Array> {
  const timer = setTimeout(() => stalled.abort(new Error(`no data in ${stallMs / 1000} s`)), stallMs);
  try {
    for await (const chunk of chunks) {
      timer.refresh();
      yield chunk;
    }
  } catch (error) {
    throw new Lost(causeOf(error), { cause: error });
  } finally {
    clearTimeout(timer);
  }
}

/** Takes up what an earlier run left. */
async function takeUp(receiving: Receiving, options: DownloadOptions): Promise<void> {
  const { size } = await receiving.file.stat();
  if (size > options.file.size) return restart(receiving, options);
  const buffer = Buffer.allocUnsafe(CHUNK_BYTES);
  while (receiving.doneBytes < size) {
    const { bytesRead } = await receiving.file.read(buffer, 0, CHUNK_BYTES, receiving.doneBytes);
    if (bytesRead === 0) break;
    receiving.hash.update(buffer.subarray(0, bytesRead));
    receiving.doneBytes += bytesRead;
  }
}

async function restart(receiving: Receiving, options: DownloadOptions): Promise<void> {
  await receiving.file.truncate(0);
  receiving.doneBytes = 0;
  receiving.hash = startHash(options);
}

async function writeAll({ file, doneBytes }: Receiving, chunk: Uint8Array): Promise<void> {
  for (let start = 0; start < chunk.length; ) {
    const { bytesWritten } = await file.write(chunk, start, chunk.length - start, doneBytes + start);
    start += bytesWritten;
  }
}

function startHash({ file }: DownloadOptions): Hash {
  return beginHash(file.hash?.algorithm ?? 'sha256', file.size);
}

function isSound({ hash }: Receiving, { file }: DownloadOptions): boolean {
  return hash.digest('hex') === file.hash?.hex || file.hash === null;
}

async function corrupt(
  { file }: DownloadOptions,
  partial: string,
  what = `has not the hash that the hub tells (${file.hash?.hex})`,
): Promise<ZmeshError> {
  await rm(partial, { force: true });
  return new ZmeshError('CORRUPT', `${file.path} as it was received ${what}; nothing of it is kept`, {
    limit: file.hash?.hex ?? file.size,
  });
}
