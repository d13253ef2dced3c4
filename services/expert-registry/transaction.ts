import { ZmeshError } from '#shared/errors.js';
import { refuseNewer } from './newer.js';
import { encodeRecord, keyOf, type StoredRecord } from './records.js';
import { type RegistryStore, StoreConflict } from './store.js';
import type { View } from './view.js';

/** What a transaction decides: write this record, or nothing to write. */
export type Decision<T> =
  | { readonly write: StoredRecord; readonly result: T }
  | { readonly write?: never; readonly result: T };

/** How long a write waits until the view shows it, or what beat it. */
const CATCH_UP_MS = 5000;
/** Every lost race means that another write won; so many in a row mean that something is wrong. */
const ATTEMPTS_MAX = 100;

/** Runs decisions on the view and writes them, one after another in this process, safely against other replicas. */
export interface Transactions {
  /**
   * Calls `decide` on the view as it is, writes its record only if nothing was written meanwhile, else decides again.
   * Resolves when the view shows the write. `decide` throws to refuse. Throws REGISTRY_UNAVAILABLE, also
   * where a newer registry wrote the record.
   */
  run<T>(decide: (view: View) => Decision<T>): Promise<{ readonly result: T; readonly revision: number }>;
}

/** Transactions over a store and the view that follows it. */
export function createTransactions(store: RegistryStore, view: View): Transactions {
  let queue: Promise<unknown> = Promise.resolve();
  return {
    run(decide) {
      const turn = queue.then(() => attempt(store, view, decide));
      queue = turn.catch(() => {});
      return turn;
    },
  };
}

async function attempt<T>(store: RegistryStore, view: View, decide: (view: View) => Decision<T>) {
  for (let i = 0; i < ATTEMPTS_MAX; i += 1) {
    const expectedRevision = view.revision;
    const { write, result } = decide(view);
    if (!write) return { result, revision: expectedRevision };
    refuseNewer(view, [keyOf(write)]);
    const revision = await append(store, write, expectedRevision);
    await view.reached(revision ?? expectedRevision + 1, CATCH_UP_MS);
    if (revision !== undefined) return { result, revision };
  }
  const message = `the registry lost ${ATTEMPTS_MAX} races in a row`;
  throw new ZmeshError('REGISTRY_UNAVAILABLE', message, { limit: ATTEMPTS_MAX, retryAfterMs: 1000 });
}

/** Revision of the write; undefined if another write came first. */
async function append(
  store: RegistryStore,
  write: StoredRecord,
  expectedRevision: number,
): Promise<number | undefined> {
  try {
    return await store.append({ key: keyOf(write), value: encodeRecord(write), expectedRevision });
  } catch (error) {
    if (error instanceof StoreConflict) return undefined;
    throw error;
  }
}
