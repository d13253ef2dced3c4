import type { RegistryEvent } from '#proto/zmesh/v1/events.js';
import type { WatchExpertsRequest, WatchExpertsResponse } from '#proto/zmesh/v1/expert_registry.js';
import { sleep } from '../deadline.js';
import { ZmeshError } from '../errors.js';
import type { Logger } from '../log.js';
import type { CallOptions } from '../rpc/client.js';
import { type CatalogView, createCatalogView } from './view.js';

/** The registry's contents as last seen, kept current by a watch. */
export interface Catalog {
  /** The newest complete view; undefined until there was a first one. */
  view(): CatalogView | undefined;
  /** Seconds since the view was last known to be current; 0 while the watch runs; since the start where there was none yet. */
  ageS(): number;
  /** Resolves with the first complete view. */
  readonly first: Promise<void>;
  /** Ends the watch. */
  stop(): Promise<void>;
}

/** What following needs. */
export interface FollowOptions {
  readonly watch: (request: WatchExpertsRequest, options: CallOptions) => AsyncIterable<WatchExpertsResponse>;
  readonly log: Logger;
  /** First and longest pause before watching again, milliseconds. Default 100 and 5000. */
  readonly retryMs?: readonly [first: number, longest: number];
  /** Milliseconds since any fixed point. Default performance.now. */
  readonly now?: () => number;
  /** Called with every change that comes after the first complete view, which shows it already. Default: nobody is told. */
  readonly onChange?: (event: RegistryEvent, view: CatalogView) => void;
}

/**
 * After this silence the view no longer counts as current, milliseconds. The registry speaks every 10 s while its store is
 * connected; silence alone does not end the watch, gRPC's own keep-alive finds a dead peer.
 */
const CURRENT_MS = 15_000;

/**
 * Watches the registry and keeps a view of it: resumes from the last revision when the watch breaks, begins anew when that
 * revision is gone. While the registry is away the last view stays; a view is replaced only by a complete one.
 */
export function followRegistry(options: FollowOptions): Catalog {
  const { log, now = () => performance.now(), retryMs = [100, 5000] } = options;
  const stopping = new AbortController();
  let tellFirst = (): void => {};
  const first = new Promise<void>((resolve) => {
    tellFirst = resolve;
  });
  let view: CatalogView | undefined;
  let revision = 0n;
  let connected = false;
  let heardMs = now();

  const read = async (): Promise<void> => {
    const building = view !== undefined && revision > 0n ? view : createCatalogView();
    for await (const message of options.watch({ model: '', afterRevision: revision }, stopping)) {
      if (message.event) building.apply(message.event);
      if (building === view) {
        revision = message.revision;
        if (message.event) options.onChange?.(message.event, view);
      }
      if (!message.current) continue;
      if (!connected) log.info({ revision: message.revision.toString() }, 'view of the registry is current');
      view = building;
      revision = message.revision;
      connected = true;
      heardMs = now();
      tellFirst();
    }
  };

  const loop = async (): Promise<void> => {
    let pauseMs = retryMs[0];
    while (!stopping.signal.aborted) {
      const failure = await read().then(() => undefined, ZmeshError.from);
      if (stopping.signal.aborted) return;
      if (connected) pauseMs = retryMs[0];
      if (connected || failure?.reason === 'INTERNAL')
        log.warn({ reason: failure?.reason, err: failure }, 'the watch of the registry ended; trying again');
      connected = false;
      if (failure?.reason === 'REVISION_UNAVAILABLE') revision = 0n;
      await sleep(pauseMs, stopping.signal).catch(() => {});
      pauseMs = Math.min(retryMs[1], pauseMs * 2);
    }
  };
  const done = loop();

  return {
    view: () => view,
    ageS() {
      const silentMs = now() - heardMs;
      return connected && silentMs < CURRENT_MS ? 0 : silentMs / 1000;
    },
    first,
    async stop() {
      stopping.abort(new ZmeshError('CANCELLED', 'the service is shutting down'));
      await done;
    },
  };
}
