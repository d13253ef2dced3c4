import { sleep } from '../deadline.js';
import { ZmeshError } from '../errors.js';
import { connectEvents, type EventConnection } from '../events/connection.js';
import { watchPresences } from '../events/presence-watch.js';
import type { Logger } from '../log.js';
import type { Replicas } from './replicas.js';

const RECONNECT_MS = 2000;

/** Follows the inference replicas that announce themselves. */
export interface ReplicaWatch {
  /** Resolves when those that are there at the start are known. */
  readonly first: Promise<void>;
  /** Ends the watch. */
  stop(): Promise<void>;
}

/** Takes replicas in as they announce themselves and out as they leave, through lost connections. */
export function followReplicas(options: {
  readonly natsUrl: string;
  /** Name of the connection, as the server lists it. */
  readonly name: string;
  /** Copies of the bucket of announcements, should it be made here. */
  readonly natsReplicas: number;
  readonly replicas: Replicas;
  readonly log: Logger;
}): ReplicaWatch {
  const { natsUrl, replicas, log } = options;
  const stopping = new AbortController();
  const { signal } = stopping;
  let current = (): void => {};
  const first = new Promise<void>((resolve) => {
    current = resolve;
  });
  const follow = async (): Promise<void> => {
    while (!signal.aborted) {
      let connection: EventConnection | undefined;
      try {
        connection = await connectEvents({ url: natsUrl, name: options.name, log });
        const { present: onPresent, gone: onGone } = replicas;
        const copies = options.natsReplicas;
        await watchPresences(connection, { onPresent, onGone, onCurrent: current, replicas: copies, signal });
      } catch (error) {
        const { reason, message } = ZmeshError.from(error);
        log.warn({ reason }, `replicas cannot be watched: ${message}`);
        await sleep(RECONNECT_MS, signal).catch(() => {});
      } finally {
        await connection?.close();
      }
    }
  };
  const followed = follow();
  return {
    first,
    async stop() {
      stopping.abort();
      await followed;
    },
  };
}
