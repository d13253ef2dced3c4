import type { Logger } from '#shared/log.js';
import type { RegistryStore } from './store.js';
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
    running = store
      .follow(
        {
          onEntry(entry) {
            view.apply(entry);
            const fault = view.faults.get(entry.key);
            if (fault)
              log.error({ key: entry.key, revision: entry.revision, fault }, 'a record makes no sense');
          },
          onCurrent() {
            log.info(
              { revision: view.revision, models: view.models.size, experts: view.experts.size },
              'view is current',
            );
            resolve();
          },
        },
        stopping.signal,
      )
      .catch(reject);
  });
  return {
    loaded,
    async stop() {
      stopping.abort();
      await running;
    },
  };
}
