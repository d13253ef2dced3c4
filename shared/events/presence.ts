import { StorageType } from '@nats-io/jetstream';
import { type KV, Kvm } from '@nats-io/kv';
import { InferencePresence } from '#proto/zmesh/v1/events.js';
import type { EventConnection } from './connection.js';
import { whileConnected } from './while-connected.js';

/** Bucket of the replicas that take calls. */
export const PRESENCE_BUCKET = 'ZMESH_INFERENCE';
/** Version of `InferencePresence` that is written and understood. */
export const PRESENCE_FORMAT = 1;
/** A replica that does not renew its presence for so long counts as gone. */
export const LEASE_MS = 5000;
/** How often a presence is renewed: four renewals may be lost before the lease is. */
export const RENEW_MS = 1000;
/** How long the server remembers that a lease ran out, for watchers that were away. */
const MARKER_MS = 60_000;

/**
 * Opens the bucket of presences, makes it where it is missing. It lives in memory: what it holds is out of date within
 * seconds, and every replica writes again when the server is back. The lease is the bucket's own TTL, because a key's TTL
 * is not renewed by a later put.
 * @param replicas copies of a bucket that is made here, in a cluster of NATS; an existing one keeps what it has.
 * Throws ConnectionLost or what the NATS client throws.
 */
export function openPresences(connection: EventConnection, replicas: number): Promise<KV> {
  return whileConnected(connection, () =>
    new Kvm(connection.js).create(PRESENCE_BUCKET, {
      description: 'Inference replicas that take calls',
      storage: StorageType.Memory,
      history: 1,
      replicas,
      ttl: LEASE_MS,
      markerTTL: MARKER_MS,
    }),
  );
}

/** One replica's lease. */
export interface PresenceLease {
  /** Writes or renews it. Throws ConnectionLost or what the NATS client throws. */
  renew(presence: InferencePresence): Promise<void>;
  /** Takes it away. Throws as `renew` does. */
  remove(): Promise<void>;
}

/**
 * The lease under `key`, which is the replica's alone. A bucket that is missing, or was lost with its server, is made with
 * `replicas` copies (default 1).
 */
export function presenceLease(connection: EventConnection, key: string, replicas = 1): PresenceLease {
  let bucket: KV | undefined;
  const withBucket = async (work: (bucket: KV) => Promise<unknown>): Promise<void> => {
    try {
      bucket ??= await openPresences(connection, replicas);
      const open = bucket;
      await whileConnected(connection, () => work(open));
    } catch (error) {
      bucket = undefined;
      throw error;
    }
  };
  return {
    renew: (presence) => withBucket((open) => open.put(key, InferencePresence.encode(presence).finish())),
    remove: () => withBucket((open) => open.delete(key)),
  };
}
