import type { Logger } from '#shared/log.js';
import type { Follower, RegistryStore } from './store.js';
import type { View } from './view.js';

/** The running feed of a view. */
export interface Feed {
  /** Resolves when the view has caught up with the store for the first time. */
  readonly loaded: Promise<void>;
  /** Stops feeding and waits for it. */
  stop(): Promise<void>;
}

/** Feeds a view from its store's log until it is stopped. Records that make no sense are told to the log and kept as faults. */
export function feedView(store: RegistryStore, view: View, log: Logger): Feed {
  const stopping = new AbortController();
  let running: Promise<void> = Promise.resolve();
  const loaded = new Promise<void>((resolve, reject) => {
    let isLoaded = false;
    const follower: Follower = {
      onEntry(entry) {
        view.apply(entry);
        const fault = view.faults.get(entry.key);
        if (fault) log.error({ key: entry.key, revision: entry.revision, fault }, 'a record makes no sense');
      },
      onCurrent() {
        const { revision, models, experts } = view;
        log.info({ revision, models: models.size, experts: experts.size }, 'view is current');
        isLoaded = true;
        resolve();
      },
      onInterrupted: (err) => log.warn({ err }, 'reading the records was interrupted'),
    };
    running = store.follow(follower, stopping.signal).catch((error: unknown) => {
      // A registry whose view stands still must not go on: unhandled, this ends the process.
      if (isLoaded) throw error;
      reject(error);
    });
  });
  return {
    loaded,
    async stop() {
      stopping.abort();
      await running;
    },
  };
}
