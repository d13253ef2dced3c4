import type { JetStreamManager, NextMsgRequest, SeqMsgRequest } from '@nats-io/jetstream';
import type { ObjectInfo, ObjectStore } from '@nats-io/obj';
import { ZmeshError } from '../errors.js';
import { sha256Hex } from '../ids.js';

/** An object store and what is needed to look beneath it. */
export interface Blobs {
  readonly bucket: string;
  readonly objects: ObjectStore;
  readonly jsm: JetStreamManager;
}

/** Its base64 is below NATS' default max_payload of 1 MiB. */
const CHUNK_BYTES = 512 * 1024;
const WRITE_TIMEOUT_MS = 10_000;

/** Stores a blob under its hash, or under a name of its own. A sound one that is there is left alone; another is replaced. */
export async function writeBlob(
  blobs: Blobs,
  sha256: string,
  bytes: Uint8Array,
  name: string = sha256,
): Promise<void> {
  if (!(await isSound(blobs, sha256, name))) await writeObject(blobs, name, bytes);
}

/** Stores bytes under a name as a new object, whatever is there. */
export async function writeObject(blobs: Blobs, name: string, bytes: Uint8Array): Promise<void> {
  const source = new ReadableStream<Uint8Array>({
    start(controller) {
      controller.enqueue(bytes);
      controller.close();
    },
  });
  const meta = { name, options: { max_chunk_size: CHUNK_BYTES } };
  await blobs.objects.put(meta, source, { timeout: WRITE_TIMEOUT_MS });
}

async function isSound(blobs: Blobs, sha256: string, name: string): Promise<boolean> {
  const info = await blobs.objects.info(name);
  if (!info || info.deleted) return false;
  try {
    await readBlob(blobs, sha256, name);
    return true;
  } catch (error) {
    if (error instanceof ZmeshError && error.reason === 'CORRUPT') return false;
    throw error;
  }
}

/** A blob whose hash was checked. Throws CORRUPT if it is missing, incomplete or has another hash. */
export async function readBlob(blobs: Blobs, sha256: string, name: string = sha256): Promise<Uint8Array> {
  const info = await blobs.objects.info(name);
  if (!info || info.deleted) throw corrupt(sha256, 'is not in the store');
  const bytes = await collect(blobs, info, sha256);
  const hash = sha256Hex(bytes);
  if (hash !== sha256) throw corrupt(sha256, `has SHA-256 ${hash}`);
  return bytes;
}

/**
 * Asks for one chunk after another. The client's own `get` makes a consumer that stays for minutes (a thousand reads exhaust
 * the server's limit), and waits for ever for a last chunk that is damaged on disk.
 */
async function collect({ bucket, jsm }: Blobs, info: ObjectInfo, sha256: string): Promise<Uint8Array> {
  const bytes = new Uint8Array(info.size);
  let filled = 0;
  let seq = 1;
  for (let chunk = 0; chunk < info.chunks; chunk += 1) {
    const query: NextMsgRequest & SeqMsgRequest = { seq, next_by_subj: `$O.${bucket}.C.${info.nuid}` };
    const message = await jsm.streams.getMessage(`OBJ_${bucket}`, query);
    if (!message || filled + message.data.length > info.size) break;
    bytes.set(message.data, filled);
    filled += message.data.length;
    seq = message.seq + 1;
  }
  if (filled !== info.size) throw corrupt(sha256, `holds ${filled} of ${info.size} bytes`);
  return bytes;
}

function corrupt(sha256: string, what: string): ZmeshError {
  return new ZmeshError('CORRUPT', `blob ${sha256} ${what}`, { names: { blob: sha256 } });
}
