import { hostname } from 'node:os';
import type { InferencePresence } from '#proto/zmesh/v1/events.js';
import { sleep } from '#shared/deadline.js';
import { connectEvents, type EventConnection } from '#shared/events/connection.js';
import { PRESENCE_FORMAT, type PresenceLease, presenceLease, RENEW_MS } from '#shared/events/presence.js';
import { newRequestId } from '#shared/ids.js';
import type { Logger } from '#shared/log.js';
import type { ExpertCache } from './experts.js';
import type { ServedModels } from './served-model.js';

const RECONNECT_MS = 2000;
/** How long a start waits for the first announcement, and a drain for the last. */
const PATIENCE_MS = 2000;
const EXPERTS_MAX = 256;
const EXPERT_DIGITS = 16;

/** What is announced, and where. */
export interface PresenceOptions {
  readonly natsUrl: string;
  /** Where dispatchers call this replica, `host:port`. */
  readonly address: string;
  /** Copies of the bucket of announcements, should it be made here. */
  readonly replicas: number;
  readonly models: ServedModels;
  readonly experts: ExpertCache;
  readonly log: Logger;
}

/** A replica that dispatchers know of. */
export interface Presence {
  /** Takes the announcement back, so that dispatchers send no more; waits a moment for NATS, never throws. */
  leave(): Promise<void>;
}

/**
 * Announces this replica to the dispatchers and renews that every second, through lost connections. Resolves when it is
 * announced, or after two seconds without NATS: static addresses work without it.
 */
export async function announce(options: PresenceOptions): Promise<Presence> {
  const ending = new AbortController();
  let announced = (): void => {};
  const first = new Promise<void>((resolve) => {
    announced = resolve;
  });
  const ended = keepAnnouncing(options, { signal: ending.signal, announced });
  await within(first);
  return {
    async leave() {
      ending.abort();
      await within(ended);
    },
  };
}

/** What dispatchers are told to call: the setting, else the listening address, the machine's name in place of a wildcard. */
export function advertisedAddress(setting: string, listening: string): string {
  if (setting !== '') return setting;
  const wildcard = /^(0\.0\.0\.0|\[?::\]?|):(\d+)$/.exec(listening);
  return wildcard ? `${hostname()}:${wildcard[2]}` : listening;
}

async function keepAnnouncing(
  options: PresenceOptions,
  { signal, announced }: { readonly signal: AbortSignal; readonly announced: () => void },
): Promise<void> {
  const { natsUrl, replicas, log } = options;
  const now = Date.now();
  const startedAt = { seconds: BigInt(Math.floor(now / 1000)), nanos: (now % 1000) * 1e6 };
  const key = newRequestId();
  let connection: EventConnection | undefined;
  let lease: PresenceLease | undefined;
  let renewed = true;
  while (!signal.aborted) {
    let waitMs = RENEW_MS;
    try {
      connection ??= await connectEvents({ url: natsUrl, name: 'inference-presence', log });
      lease ??= presenceLease(connection, key, replicas);
      await lease.renew(presenceOf(options, startedAt));
      if (!renewed) log.info('announced again');
      renewed = true;
      announced();
    } catch (error) {
      // Said once: an outage is as long as it is.
      if (renewed)
        log.warn({ err: error }, 'this replica cannot be announced; it is called at static addresses only');
      renewed = false;
      waitMs = connection ? RENEW_MS : RECONNECT_MS;
    }
    await pause(waitMs, signal, connection);
  }
  await lease
    ?.remove()
    .catch((error: unknown) => log.warn({ err: error }, 'the announcement runs out by itself'));
  await connection?.close();
}

/** Waits, but not when NATS has just come back: what it held of this replica may be gone. */
async function pause(
  ms: number,
  signal: AbortSignal,
  connection: EventConnection | undefined,
): Promise<void> {
  const wake = new AbortController();
  const stop = (): void => wake.abort();
  const offState = connection?.onState((connected) => connected && stop());
  signal.addEventListener('abort', stop, { once: true });
  if (signal.aborted) stop();
  await sleep(ms, wake.signal).catch(() => {});
  signal.removeEventListener('abort', stop);
  offState?.();
}

function presenceOf(
  { address, models, experts }: PresenceOptions,
  startedAt: InferencePresence['startedAt'],
): InferencePresence {
  return {
    format: PRESENCE_FORMAT,
    address,
    startedAt,
    models: models.all.map(({ prepared, engine: { load } }) => ({
      name: prepared.name,
      fingerprint: prepared.fingerprint,
      waiting: load.waitingInteractive + load.waitingBatch,
      running: load.running,
      freePages: load.freePages,
    })),
    experts: experts.versions.slice(0, EXPERTS_MAX).map((version) => version.slice(0, EXPERT_DIGITS)),
  };
}

/** Waits for `work`, but no longer than is good for a start or a drain. */
async function within(work: Promise<void>): Promise<void> {
  const patience = new AbortController();
  await Promise.race([work, sleep(PATIENCE_MS, patience.signal).catch(() => {})]);
  patience.abort();
}
