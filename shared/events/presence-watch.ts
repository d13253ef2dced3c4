import { InferencePresence } from '#proto/zmesh/v1/events.js';
import { sleep } from '../deadline.js';
import type { EventConnection } from './connection.js';
import { consume, type StreamMessage } from './consume.js';
import { LEASE_MS, openPresences, PRESENCE_BUCKET, PRESENCE_FORMAT } from './presence.js';

const STREAM = `KV_${PRESENCE_BUCKET}`;
const SUBJECT = `$KV.${PRESENCE_BUCKET}.`;
const RETRY_MS = 500;

/** How a presence ended. */
export type PresenceEnd = 'left' | 'expired';

/** How presences are watched. */
export interface PresenceWatch {
  /** A replica came or renewed its presence. */
  readonly onPresent: (key: string, presence: InferencePresence) => void;
  /** A replica took its presence back (`left`), or did not renew it in time (`expired`): it may be well, and NATS not. */
  readonly onGone: (key: string, how: PresenceEnd) => void;
  /** Called whenever all presences so far were told. */
  readonly onCurrent: () => void;
  /** Copies of the bucket, should it be made here. Default 1. */
  readonly replicas?: number;
  /** Ends the watch. */
  readonly signal: AbortSignal;
}

/**
 * Watches which inference replicas take calls, for ever. While the server is away nobody is taken for gone; when it is
 * back, those that do not renew their presence within a lease are. Presences of another format are left out.
 * Resolves when `signal` aborts.
 */
export async function watchPresences(connection: EventConnection, watch: PresenceWatch): Promise<void> {
  const told = new Set<string>();
  while (!watch.signal.aborted) {
    const round = new AbortController();
    const stop = (): void => round.abort();
    const offState = connection.onState(stop);
    watch.signal.addEventListener('abort', stop, { once: true });
    try {
      if (connection.connected) await watchOnce(connection, { ...watch, signal: round.signal }, told);
    } catch {
      // The bucket cannot be read just now; what was told stays.
    } finally {
      offState();
      watch.signal.removeEventListener('abort', stop);
    }
    await sleep(RETRY_MS, watch.signal).catch(() => {});
  }
}

/** From the bucket's present state on, until the server is lost. `told` holds the keys of those that count as present. */
async function watchOnce(
  connection: EventConnection,
  { onPresent, onGone, onCurrent, replicas = 1, signal }: PresenceWatch,
  told: Set<string>,
): Promise<void> {
  await openPresences(connection, replicas);
  const unseen = new Set(told);
  const gone = (key: string, how: PresenceEnd): void => {
    if (told.delete(key)) onGone(key, how);
  };
  const sweep = setTimeout(() => {
    for (const key of unseen) gone(key, 'expired');
  }, LEASE_MS);
  try {
    await consume(connection, {
      stream: STREAM,
      after: 0,
      signal,
      onCurrent,
      onMessage(message) {
        const key = message.subject.slice(SUBJECT.length);
        const presence = presenceOf(message);
        if (presence?.format !== PRESENCE_FORMAT) {
          gone(key, message.headers?.has('Nats-Marker-Reason') ? 'expired' : 'left');
          return;
        }
        unseen.delete(key);
        told.add(key);
        onPresent(key, presence);
      },
    });
  } finally {
    clearTimeout(sweep);
  }
}

/** Undefined for a message that takes a presence away (deleted by the replica, or expired), and for one that is none. */
function presenceOf({ headers, data }: StreamMessage): InferencePresence | undefined {
  if (headers?.has('KV-Operation') || headers?.has('Nats-Marker-Reason')) return undefined;
  try {
    return InferencePresence.decode(data);
  } catch {
    return undefined;
  }
}
