import type { JetStreamManager } from '@nats-io/jetstream';
import type { ObjectInfo, ObjectStore } from '@nats-io/obj';
import { sleep } from '#shared/deadline.js';
import { ZmeshError } from '#shared/errors.js';
import { sha256Hex } from '#shared/ids.js';

/** An object store and what is needed to look beneath it. */
export interface Blobs {
  readonly bucket: string;
  readonly objects: ObjectStore;
  readonly jsm: JetStreamManager;
}

/** Below NATS' default max_payload of 1 MiB. */
const CHUNK_BYTES = 512 * 1024;
const WRITE_TIMEOUT_MS = 10_000;
/** Chunks follow each other within milliseconds; after this time it is asked whether the next one exists. */
const STALL_MS = 400;
const CHUNK_TIMEOUT_MS = 5000;

/** Stores a blob under its hash. A sound one that is there is left alone; a damaged one is replaced. */
export async function writeBlob(blobs: Blobs, sha256: string, bytes: Uint8Array): Promise<void> {
  if (await isSound(blobs, sha256)) return;
  const source = new ReadableStream<Uint8Array>({
    start(controller) {
      controller.enqueue(bytes);
      controller.close();
    },
  });
  const meta = { name: sha256, options: { max_chunk_size: CHUNK_BYTES } };
  await blobs.objects.put(meta, source, { timeout: WRITE_TIMEOUT_MS });
}

async function isSound(blobs: Blobs, sha256: string): Promise<boolean> {
  const info = await blobs.objects.info(sha256);
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
export async function readBlob(blobs: Blobs, sha256: string): Promise<Uint8Array> {
  const info = await blobs.objects.info(sha256);
  if (!info || info.deleted) throw corrupt(sha256, 'is not in the store');
  const bytes = await collect(blobs, info, sha256);
  const hash = sha256Hex(bytes);
  if (hash !== sha256) throw corrupt(sha256, `has SHA-256 ${hash}`);
  return bytes;
}

async function collect(blobs: Blobs, info: ObjectInfo, sha256: string): Promise<Uint8Array> {
  const result = await blobs.objects.get(sha256);
  if (!result) throw corrupt(sha256, 'is not in the store');
  // Its own digest check; ours is stricter. Unheard, the rejection would end the process.
  result.error.catch(() => {});
  const reader = result.data.getReader();
  const bytes = new Uint8Array(info.size);
  let filled = 0;
  try {
    for (;;) {
      const next = await readOrLost(blobs, info, reader);
      if (next === 'lost' || next.done) break;
      if (filled + next.value.length > info.size)
        throw corrupt(sha256, `holds more than its ${info.size} bytes`);
      bytes.set(next.value, filled);
      filled += next.value.length;
    }
  } catch (error) {
    if (error instanceof ZmeshError) throw error;
    throw corrupt(sha256, error instanceof Error ? (error.message.split('\n', 1)[0] ?? '') : String(error));
  } finally {
    await reader.cancel().catch(() => {});
  }
  if (filled !== info.size) throw corrupt(sha256, `holds ${filled} of ${info.size} bytes`);
  return bytes;
}

/**
 * The next chunk, or `lost` when it is known to be lost: the client itself waits for ever for a last chunk that is damaged
 * on disk.
 */
async function readOrLost(
  { bucket, jsm }: Blobs,
  info: ObjectInfo,
  reader: ReadableStreamDefaultReader<Uint8Array>,
) {
  const arrived = new AbortController();
  const lost = async (): Promise<'lost'> => {
    await sleep(STALL_MS, arrived.signal);
    const last = await jsm.streams
      .getMessage(`OBJ_${bucket}`, { last_by_subj: `$O.${bucket}.C.${info.nuid}` })
      .catch(() => undefined);
    if (last !== null) await sleep(CHUNK_TIMEOUT_MS - STALL_MS, arrived.signal);
    return 'lost';
  };
  try {
    return await Promise.race([reader.read(), lost()]);
  } finally {
    arrived.abort();
  }
}

function corrupt(sha256: string, what: string): ZmeshError {
  return new ZmeshError('CORRUPT', `blob ${sha256} ${what}`, { names: { blob: sha256 } });
}
