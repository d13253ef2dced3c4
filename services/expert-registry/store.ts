import type { AbandonedUpload, StoredBlob } from '#shared/events/remove-blobs.js';

/** One entry of the log of records. */
export interface StoredEntry {
  readonly key: string;
  /** Undefined = deleted. */
  readonly value: Uint8Array | undefined;
  /** Its place: grows with every write, over all keys. */
  readonly revision: number;
  readonly time: Date;
  /** W3C trace headers of the request that wrote it. */
  readonly trace: ReadonlyMap<string, string>;
}

/** A write that is applied only if nothing was written since `expectedRevision`. */
export interface Append {
  readonly key: string;
  /** Undefined = delete. */
  readonly value: Uint8Array | undefined;
  /** The last revision that the writer has seen, over all keys: a whole-store compare-and-set. */
  readonly expectedRevision: number;
}

/** Someone else wrote since the expected revision: look again and decide again. */
export class StoreConflict extends Error {}

/** How the log of records is followed. */
export interface Follower {
  /** Called for every entry, oldest first. */
  onEntry(entry: StoredEntry): void;
  /** Called when all entries so far were given: at the start and after each interruption. */
  onCurrent(): void;
  /** Called with what interrupted the reading while the store is there; it goes on after a moment. */
  onInterrupted(error: unknown): void;
}

/**
 * Where the registry keeps its records (small, one order of revisions) and its blobs (large, named by their SHA-256).
 * Every method but `follow` throws REGISTRY_UNAVAILABLE within seconds when the store is away.
 */
export interface RegistryStore {
  /** False while the store is away. */
  readonly connected: boolean;
  /** Writes a record; resolves with its revision when it is on disk. Throws StoreConflict. */
  append(write: Append): Promise<number>;
  /** The last value of a key, read from the store; undefined if it has none. */
  read(key: string): Promise<StoredEntry | undefined>;
  /** Every key that the store knows of, those of deleted records and of damaged ones too. */
  keys(): Promise<readonly string[]>;
  /** Follows the log from its oldest kept entry on, until `signal` aborts. */
  follow(follower: Follower, signal: AbortSignal): Promise<void>;
  /**
   * Stores a blob under its SHA-256; a sound one that is there is left alone, a damaged one is replaced. With `anew` it is
   * always written, as an object of its own.
   */
  putBlob(sha256: string, bytes: Uint8Array, anew?: boolean): Promise<void>;
  /** A blob whose hash was checked. Throws CORRUPT if it is missing, incomplete or has another hash. */
  getBlob(sha256: string): Promise<Uint8Array>;
  /** Every blob that is there. */
  blobs(): Promise<readonly StoredBlob[]>;
  /** Removes the object that a blob was when it was listed; one that was stored under its name since stays. */
  removeBlob(blob: StoredBlob): Promise<void>;
  /** Parts of uploads that belong to no blob and whose last one came before `before`: those of killed processes. */
  abandonedUploads(before: Date): Promise<readonly AbandonedUpload[]>;
  /** Removes the parts of an upload. */
  removeUpload(upload: AbandonedUpload): Promise<void>;
}
