import { JetStreamApiError } from '@nats-io/jetstream';
import { type KV, Kvm } from '@nats-io/kv';
import { Objm, StorageType } from '@nats-io/obj';
import { JobRecord } from '#proto/zmesh/v1/jobs.js';
import { ZmeshError } from '#shared/errors.js';
import { type Blobs, readBlob, writeBlob } from '#shared/events/blobs.js';
import type { EventConnection } from '#shared/events/connection.js';
import { consume } from '#shared/events/consume.js';
import { whileConnected } from '#shared/events/while-connected.js';
import { sha256Hex } from '#shared/ids.js';
import { checkFormat, type JobKey, keyOfRecord, keyText, parseKey, type StoredJob } from './job.js';
import { type JobFollower, JobMoved, type JobStore, LEASE_MS } from './store.js';

/** KV bucket of all jobs. */
export const JOBS_BUCKET = 'ZMESH_JOBS';
/** Object store of their inputs, checkpoints and rollouts. */
export const JOB_OBJECTS = 'ZMESH_JOB_OBJECTS';
/** KV bucket in memory of who works on what. */
const LEASES_BUCKET = 'ZMESH_JOB_LEASES';

const STREAM = `KV_${JOBS_BUCKET}`;
const SUBJECT = `$KV.${JOBS_BUCKET}.`;
const OPERATION = 'KV-Operation';
const WRONG_LAST_SEQUENCE = 10071;
const RETRY_AFTER_MS = 1000;

/**
 * A store of jobs on JetStream; makes the buckets where they are missing.
 * @param replicas copies that a cluster keeps of each new one.
 */
export async function openJobStore(connection: EventConnection, replicas: number): Promise<JobStore> {
  const { js } = connection;
  const { jobs, blobs } = await guard(connection, async () => {
    const file = { storage: StorageType.File, replicas };
    const records = await new Kvm(js).create(JOBS_BUCKET, { ...file, history: 1 });
    const objects = await new Objm(js).create(JOB_OBJECTS, file);
    return { jobs: records, blobs: { bucket: JOB_OBJECTS, objects, jsm: connection.jsm } };
  });
  await openLeases(connection, replicas);
  return storeOn(connection, { jobs, blobs, replicas });
}

/** The bucket's own TTL is the lease; it lives in memory, so that it is made again after a server's restart. */
function openLeases(connection: EventConnection, replicas: number): Promise<KV> {
  return guard(connection, () =>
    new Kvm(connection.js).create(LEASES_BUCKET, {
      storage: StorageType.Memory,
      history: 1,
      replicas,
      ttl: LEASE_MS,
    }),
  );
}

function storeOn(
  connection: EventConnection,
  parts: { readonly jobs: KV; readonly blobs: Blobs; readonly replicas: number },
): JobStore {
  const { jobs, blobs, replicas } = parts;
  const guarded = <T>(work: () => Promise<T>): Promise<T> => guard(connection, work);
  const leases = async <T>(work: (bucket: KV) => Promise<T>): Promise<T> => {
    const bucket = await openLeases(connection, replicas);
    return guarded(() => work(bucket));
  };
  return {
    get connected() {
      return connection.connected;
    },
    create: (record) => guarded(() => moved(jobs.create(keyText(keyOfRecord(record)), encode(record)))),
    update: (record, revision) =>
      guarded(() => moved(jobs.update(keyText(keyOfRecord(record)), encode(record), revision))),
    read: (key) => guarded(() => read(connection, key)),
    remove: (key) =>
      guarded(async () => {
        for (const { name } of await blobs.objects.list())
          if (name.startsWith(`${keyText(key)}.`)) await blobs.objects.delete(name);
        await jobs.purge(keyText(key));
      }),
    follow: (follower, signal) => follow(connection, follower, signal),
    putObject: (key, name, bytes) =>
      guarded(async () => {
        const object = { name: `${keyText(key)}.${name}`, sha256: sha256Hex(bytes) };
        await writeBlob(blobs, object.sha256, bytes, object.name);
        return object;
      }),
    getObject: ({ name, sha256 }) => guarded(() => readBlob(blobs, sha256, name)),
    removeObject: (name) =>
      guarded(async () => {
        await blobs.objects.delete(name);
      }),
    renewLease: async (key, trainer) => {
      await leases((bucket) => bucket.put(keyText(key), trainer));
    },
    leaseHolder: (key) => leases(async (bucket) => holderIn(await bucket.get(keyText(key)))),
    releaseLease: (key, trainer) =>
      leases(async (bucket) => {
        if (holderIn(await bucket.get(keyText(key))) === trainer) await bucket.delete(keyText(key));
      }),
  };
}

function holderIn(entry: Awaited<ReturnType<KV['get']>>): string | undefined {
  return entry && entry.operation === 'PUT' ? entry.string() : undefined;
}

const encode = (record: JobRecord): Uint8Array => JobRecord.encode(record).finish();

/** A record's bytes as a job. Throws CORRUPT for what cannot be read, FORMAT_NEWER for what a newer trainer wrote. */
function decode(text: string, bytes: Uint8Array, revision: number): StoredJob {
  const names = { job: text };
  let record: JobRecord;
  try {
    record = JobRecord.decode(bytes);
  } catch (cause) {
    throw new ZmeshError('CORRUPT', `the record of ${text} cannot be read`, { names, cause });
  }
  checkFormat(`the record of ${text}`, record.format);
  return { record, revision };
}

/** Straight from the stream's leader: a follower's copy may be behind. */
async function read(connection: EventConnection, key: JobKey): Promise<StoredJob | undefined> {
  const subject = SUBJECT + keyText(key);
  const message = await connection.jsm.streams.getMessage(STREAM, { last_by_subj: subject });
  if (message === null || message.header?.get(OPERATION)) return undefined;
  return decode(keyText(key), message.data, message.seq);
}

function follow(connection: EventConnection, follower: JobFollower, signal: AbortSignal): Promise<void> {
  return consume(connection, {
    stream: STREAM,
    after: 0,
    signal,
    onMessage({ subject, data, headers, sequence }) {
      const text = subject.slice(SUBJECT.length);
      const key = parseKey(text);
      if (!key) return;
      if (headers?.get(OPERATION)) follower.onJob(key, undefined);
      else tell(follower, key, { data, sequence });
    },
    onCurrent: () => follower.onCurrent(),
  });
}

/** What cannot be read here is left out of the view; whoever asks for it by its id is told why. */
function tell(
  follower: JobFollower,
  key: JobKey,
  { data, sequence }: { readonly data: Uint8Array; readonly sequence: number },
): void {
  try {
    follower.onJob(key, decode(keyText(key), data, sequence));
  } catch (error) {
    follower.onJob(key, undefined, ZmeshError.from(error));
  }
}

async function moved<T>(write: Promise<T>): Promise<T> {
  try {
    return await write;
  } catch (error) {
    if (error instanceof JetStreamApiError && error.code === WRONG_LAST_SEQUENCE)
      throw new JobMoved(error.message);
    throw error;
  }
}

/** Fails at once while the server is away or when it is lost, and turns what the client throws into TRAINER_UNAVAILABLE. */
async function guard<T>(connection: EventConnection, work: () => Promise<T>): Promise<T> {
  try {
    return await whileConnected(connection, work);
  } catch (error) {
    if (error instanceof JobMoved) throw error;
    // What looks like missing bytes may be the connection that was lost while they were read.
    if (error instanceof ZmeshError && connection.connected) throw error;
    const why = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
    throw new ZmeshError('TRAINER_UNAVAILABLE', `the trainer cannot reach its store: ${why}`, {
      retryAfterMs: RETRY_AFTER_MS,
      cause: error,
    });
  }
}
