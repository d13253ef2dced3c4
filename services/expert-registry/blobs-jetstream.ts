import type { ObjectInfo, ObjectStore } from '@nats-io/obj';
import { withTimeout } from '#shared/deadline.js';
import { ZmeshError } from '#shared/errors.js';
import { sha256Hex } from '#shared/ids.js';

/** Below NATS' default max_payload of 1 MiB. */
const CHUNK_BYTES = 512 * 1024;
const WRITE_TIMEOUT_MS = 10_000;
/** Chunks follow each other within milliseconds; one that does not come in this time was lost on disk. */
const CHUNK_TIMEOUT_MS = 4000;

/** Stores a blob under its hash. A sound one that is there is left alone; a damaged one is replaced. */
export async function writeBlob(blobs: ObjectStore, sha256: string, bytes: Uint8Array): Promise<void> {
  if (await isSound(blobs, sha256)) return;
  const source = new ReadableStream<Uint8Array>({
    start(controller) {
      controller.enqueue(bytes);
      controller.close();
    },
  });
  await blobs.put({ name: sha256, options: { max_chunk_size: CHUNK_BYTES } }, source, {
    timeout: WRITE_TIMEOUT_MS,
  });
}

async function isSound(blobs: ObjectStore, sha256: string): Promise<boolean> {
  const info = await blobs.info(sha256);
  if (!info || info.deleted) return false;
  try {
    await readBlob(blobs, sha256);
    return true;
  } catch (error) {
    if (error instanceof ZmeshError && error.reason === 'CORRUPT') return false;
    throw error;
  }
}

/** A blob whose hash was checked. Throws CORRUPT if it is missing, incomplete or has another hash. */
export async function readBlob(blobs: ObjectStore, sha256: string): Promise<Uint8Array> {
  const info = await blobs.info(sha256);
  if (!info || info.deleted) throw corrupt(sha256, 'is not in the store');
  const bytes = await collect(blobs, info, sha256);
  const hash = sha256Hex(bytes);
  if (hash !== sha256) throw corrupt(sha256, `has SHA-256 ${hash}`);
  return bytes;
}

async function collect(blobs: ObjectStore, info: ObjectInfo, sha256: string): Promise<Uint8Array> {
  const result = await blobs.get(sha256);
  if (!result) throw corrupt(sha256, 'is not in the store');
  // Its own digest check; ours is stricter. Unheard, the rejection would end the process.
  result.error.catch(() => {});
  const reader = result.data.getReader();
  const bytes = new Uint8Array(info.size);
  let filled = 0;
  try {
    for (;;) {
      const { done, value } = await inTime(reader.read(), sha256, { filled, size: info.size });
      if (done) break;
      if (filled + value.length > info.size) throw corrupt(sha256, `holds more than its ${info.size} bytes`);
      bytes.set(value, filled);
      filled += value.length;
    }
  } catch (error) {
    await reader.cancel().catch(() => {});
    if (error instanceof ZmeshError) throw error;
    throw corrupt(sha256, error instanceof Error ? (error.message.split('\n', 1)[0] ?? '') : String(error));
  }
  if (filled !== info.size) throw corrupt(sha256, `holds ${filled} of ${info.size} bytes`);
  return bytes;
}

/** The client waits for ever for a chunk that is gone. */
async function inTime<T>(work: Promise<T>, sha256: string, at: { filled: number; size: number }): Promise<T> {
  const limit = withTimeout(CHUNK_TIMEOUT_MS);
  try {
    return await Promise.race([
      work,
      new Promise<never>((_, reject) => {
        const late = (): void => reject(corrupt(sha256, `holds ${at.filled} of ${at.size} bytes`));
        limit.signal.addEventListener('abort', late, { once: true });
      }),
    ]);
  } finally {
    limit.clear();
  }
}

function corrupt(sha256: string, what: string): ZmeshError {
  return new ZmeshError('CORRUPT', `blob ${sha256} ${what}`, { names: { blob: sha256 } });
}
