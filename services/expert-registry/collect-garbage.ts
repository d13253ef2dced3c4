import type { StoredBlob } from '#shared/events/remove-blobs.js';
import type { Logger } from '#shared/log.js';
import type { Registry } from './registry.js';
import { neededBlobs, type Retention } from './retention.js';

/** What one run removed, or would have. */
export interface Collected {
  readonly blobs: number;
  readonly bytes: number;
  /** Uploads that were never finished. */
  readonly uploads: number;
}

/** A run that any number of registries may make at once. */
export interface Collection extends Retention {
  /** Uploads whose last part came before this are nobody's any more; a part is written within seconds. */
  readonly uploadsBefore: Date;
  /** Says what would go, and removes nothing. */
  readonly dryRun: boolean;
  readonly log: Logger;
  readonly signal: AbortSignal;
}

/**
 * Removes the blobs that no record needs any more and the parts of uploads that were never finished. Each blob is first given
 * up by a record, in a transaction over all records: a version that was published before keeps it, one that is published
 * after stores its bytes anew. A kill between any two steps loses nothing, and the next run goes on.
 * Throws REGISTRY_UNAVAILABLE, or the signal's reason.
 */
export async function collectGarbage(
  { store, view, transactions }: Pick<Registry, 'store' | 'view' | 'transactions'>,
  collection: Collection,
): Promise<Collected> {
  const { dryRun, log, signal } = collection;
  let seen = { revision: -1, ...neededBlobs(view, collection) };
  const mayGo = (blob: StoredBlob): boolean => {
    if (seen.revision !== view.revision) seen = { revision: view.revision, ...neededBlobs(view, collection) };
    const { needed, known } = seen;
    if (needed.has(blob.sha256)) return false;
    if (known.has(blob.sha256)) return true;
    return collection.orphansBefore !== undefined && blob.writtenAt < collection.orphansBefore;
  };
  let [blobs, bytes] = [0, 0];
  for (const blob of (await store.blobs()).filter(mayGo)) {
    signal.throwIfAborted();
    if (!dryRun) {
      const { result } = await transactions.run(() => giveUp(blob));
      if (!result) continue;
      await store.removeBlob(blob);
    }
    blobs += 1;
    bytes += blob.bytes;
    log.info({ blob: blob.sha256, bytes: blob.bytes, dryRun }, 'a blob that nobody needs is removed');
  }
  const uploads = await store.abandonedUploads(collection.uploadsBefore);
  for (const upload of uploads) {
    signal.throwIfAborted();
    if (!dryRun) await store.removeUpload(upload);
    log.info({ ...upload, dryRun }, 'an upload that was never finished is removed');
  }
  return { blobs, bytes, uploads: uploads.length };

  function giveUp(blob: StoredBlob) {
    if (!mayGo(blob)) return { result: false };
    // A run that was killed gave it up already.
    if (view.removals.get(blob.sha256)?.object === blob.object) return { result: true };
    const write = { kind: 'removed' as const, sha256: blob.sha256, object: blob.object };
    return { write, result: true };
  }
}
