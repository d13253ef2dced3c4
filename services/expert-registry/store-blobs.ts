import type { RegistryStore } from './store.js';
import type { View } from './view.js';

/** Blobs that were stored. */
export interface StoredBlobs {
  /** False if the garbage collection gave one of them up since: they must be stored again before a record names them. */
  stand(view: View): boolean;
}

/**
 * Stores blobs that a record is to name; empty names are left out. One that the garbage collection has given up is written
 * anew, as an object of its own that no removal under way can hit. Whoever writes the record asks `stand` within the same
 * transaction: together the two make sure that a record never names a blob that is about to go.
 */
export async function storeBlobs(
  { store, view }: { readonly store: RegistryStore; readonly view: View },
  blobs: readonly (readonly [sha256: string, bytes: Uint8Array])[],
): Promise<StoredBlobs> {
  const real = blobs.filter(([sha256]) => sha256 !== '');
  const before = new Map(real.map(([sha256]) => [sha256, view.removals.get(sha256)?.revision]));
  for (const [sha256, bytes] of real) await store.putBlob(sha256, bytes, before.get(sha256) !== undefined);
  return {
    stand: (now) => real.every(([sha256]) => now.removals.get(sha256)?.revision === before.get(sha256)),
  };
}
