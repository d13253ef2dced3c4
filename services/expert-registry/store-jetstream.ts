import { JetStreamApiError as ApiError, type JetStreamApiError } from '@nats-io/jetstream';
import { Kvm } from '@nats-io/kv';
import type { MsgHdrs } from '@nats-io/nats-core';
import { Objm, StorageType } from '@nats-io/obj';
import { ZmeshError } from '#shared/errors.js';
import { readBlob, writeBlob, writeObject } from '#shared/events/blobs.js';
import type { EventConnection } from '#shared/events/connection.js';
import { consume } from '#shared/events/consume.js';
import {
  abandonedUploads,
  listBlobs,
  type RemovableBlobs,
  removeBlob,
  removeParts,
} from '#shared/events/remove-blobs.js';
import { traceHeaders } from '#shared/events/trace-headers.js';
import { whileConnected } from '#shared/events/while-connected.js';
import { type Append, type Follower, type RegistryStore, StoreConflict, type StoredEntry } from './store.js';

/** KV bucket of all records. One bucket, so that there is one order of revisions. */
export const RECORDS_BUCKET = 'zmesh_registry';
/** Object store of vectors and manifests, by SHA-256. */
export const BLOBS_BUCKET = 'zmesh_registry_blobs';

const STREAM = `KV_${RECORDS_BUCKET}`;
const SUBJECT = `$KV.${RECORDS_BUCKET}.`;
/** Moves of one alias that stay readable; the most that KV allows. */
const HISTORY = 64;
const OPERATION = 'KV-Operation';
const TRACE_KEYS = ['traceparent', 'tracestate'];
const WRONG_LAST_SEQUENCE = 10071;
const RETRY_AFTER_MS = 1000;

/**
 * A registry's store on JetStream: a KV bucket for the records and an object store for the blobs; makes both where they
 * are missing.
 * @param replicas copies that a cluster keeps of each new one.
 */
export async function openJetStreamStore(
  connection: EventConnection,
  replicas: number,
): Promise<RegistryStore> {
  const blobs = await guard(connection, async () => {
    await new Kvm(connection.js).create(RECORDS_BUCKET, {
      history: HISTORY,
      storage: StorageType.File,
      replicas,
    });
    const objects = await new Objm(connection.js).create(BLOBS_BUCKET, {
      storage: StorageType.File,
      replicas,
    });
    return { bucket: BLOBS_BUCKET, objects, js: connection.js, jsm: connection.jsm };
  });
  return storeOn(connection, blobs);
}

function storeOn(connection: EventConnection, blobs: RemovableBlobs): RegistryStore {
  return {
    get connected() {
      return connection.connected;
    },
    append: (write) => guard(connection, () => append(connection, write)),
    read: (key) => guard(connection, () => read(connection, key)),
    keys: () => guard(connection, () => keys(connection)),
    putBlob: (sha256, bytes, anew = false) =>
      guard(connection, () => (anew ? writeObject : writeBlob)(blobs, sha256, bytes)),
    getBlob: (sha256) => guard(connection, () => readBlob(blobs, sha256)),
    blobs: () => guard(connection, () => listBlobs(blobs)),
    removeBlob: (blob) => guard(connection, () => removeBlob(blobs, blob)),
    abandonedUploads: (before) => guard(connection, () => abandonedUploads(blobs, before)),
    removeUpload: ({ object }) => guard(connection, () => removeParts(blobs, object)),
    follow: (follower, signal) => follow(connection, follower, signal),
  };
}

/**
 * The KV client can only compare one key's revision; comparing the stream's last sequence instead makes every write a
 * transaction over the whole registry (an alias cannot be moved to a version that is being retired).
 */
async function append(connection: EventConnection, write: Append): Promise<number> {
  const headers = traceHeaders();
  if (write.value === undefined) headers.set(OPERATION, 'DEL');
  try {
    const ack = await connection.js.publish(SUBJECT + write.key, write.value ?? new Uint8Array(), {
      headers,
      expect: { lastSequence: write.expectedRevision },
    });
    return ack.seq;
  } catch (error) {
    if (isApiError(error) && error.code === WRONG_LAST_SEQUENCE) throw new StoreConflict(error.message);
    throw error;
  }
}

async function read(connection: EventConnection, key: string): Promise<StoredEntry | undefined> {
  const message = await connection.jsm.streams.getMessage(STREAM, { last_by_subj: SUBJECT + key });
  if (message === null) return undefined;
  return entryOf({
    ...message,
    subject: message.subject,
    data: message.data,
    headers: message.header,
    sequence: message.seq,
    time: message.time,
  });
}

async function keys(connection: EventConnection): Promise<readonly string[]> {
  const { state } = await connection.jsm.streams.info(STREAM, { subjects_filter: `${SUBJECT}>` });
  return Object.keys(state.subjects ?? {}).map((subject) => subject.slice(SUBJECT.length));
}

function follow(connection: EventConnection, follower: Follower, signal: AbortSignal): Promise<void> {
  return consume(connection, {
    stream: STREAM,
    after: 0,
    signal,
    onMessage: (message) => follower.onEntry(entryOf(message)),
    onCurrent: () => follower.onCurrent(),
    onInterrupted: (error) => follower.onInterrupted(error),
  });
}

function entryOf(message: {
  readonly subject: string;
  readonly data: Uint8Array;
  readonly headers: MsgHdrs | undefined;
  readonly sequence: number;
  readonly time: Date;
}): StoredEntry {
  const { headers } = message;
  const operation = headers?.get(OPERATION);
  const trace = new Map(
    TRACE_KEYS.map((key) => [key, headers?.get(key) ?? ''] as const).filter(([, value]) => value !== ''),
  );
  return {
    key: message.subject.slice(SUBJECT.length),
    value: operation === 'DEL' || operation === 'PURGE' ? undefined : message.data,
    revision: message.sequence,
    time: message.time,
    trace,
  };
}

/** Fails at once while the server is away or when it is lost, and turns what the client throws into REGISTRY_UNAVAILABLE. */
async function guard<T>(connection: EventConnection, work: () => Promise<T>): Promise<T> {
  try {
    return await whileConnected(connection, work);
  } catch (error) {
    if (error instanceof StoreConflict) throw error;
    // What looks like missing bytes may be the connection that was lost while they were read.
    if (error instanceof ZmeshError && connection.connected) throw error;
    throw unavailable(error instanceof Error ? `${error.name}: ${error.message}` : String(error), error);
  }
}

function unavailable(why: string, cause?: unknown): ZmeshError {
  const details = { retryAfterMs: RETRY_AFTER_MS, cause };
  return new ZmeshError('REGISTRY_UNAVAILABLE', `the registry cannot reach its store: ${why}`, details);
}

function isApiError(error: unknown): error is JetStreamApiError {
  return error instanceof ApiError;
}
