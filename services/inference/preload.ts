import type { ExpertAliasMoved } from '#proto/zmesh/v1/events.js';
import type { ExpertVersion } from '#proto/zmesh/v1/expert_registry.js';
import { sleep } from '#shared/deadline.js';
import { ZmeshError } from '#shared/errors.js';
import type { Logger } from '#shared/log.js';
import { formatExpertName } from '#shared/svf/names.js';
import type { ExpertCache } from './experts.js';
import { means, meantBy, type PreloadName } from './preload-name.js';

const RETRY_MS = 2000;

/** What preloading works with. */
export interface PreloadOptions {
  readonly names: readonly PreloadName[];
  /** Names of the served models. */
  readonly models: readonly string[];
  /** Every version of a model's experts that is not retired, with its aliases. Throws REGISTRY_UNAVAILABLE. */
  readonly list: (model: string, signal: AbortSignal) => AsyncIterable<ExpertVersion>;
  readonly experts: ExpertCache;
  readonly log: Logger;
  readonly signal: AbortSignal;
  /** How long until a registry that was away is asked again, milliseconds. Default 2000. */
  readonly retryMs?: number;
}

/** The experts that stay loaded. */
export interface Preload {
  /**
   * Loads and pins all that the names lead to. A registry that is away is asked again later; a name that leads nowhere yet
   * is said and waits for its alias. Throws TOO_LARGE if the pinned experts do not fit into the cache.
   */
  start(): Promise<void>;
  /** Does that again, after changes may have been missed. Failures are logged. */
  refresh(): Promise<void>;
  /** Follows an alias: its new version is pinned in place of the old one. Failures are logged; the old one stays then. */
  moved(change: ExpertAliasMoved): Promise<void>;
}

/** Makes it; nothing is loaded yet. */
export function createPreload(options: PreloadOptions): Preload {
  const { names, models, list, experts, log, signal } = options;
  /** Version by `model/expert@alias`. */
  const pinned = new Map<string, string>();

  const hold = async (name: string, reference: Parameters<ExpertCache['pin']>[0]): Promise<void> => {
    const { version } = reference;
    const before = pinned.get(name);
    if (before === version && experts.has(version)) return;
    const others = [...pinned].filter(([other]) => other !== name).map(([, held]) => held);
    const instead =
      before !== undefined && before !== version && !others.includes(before) ? before : undefined;
    await experts.pin(reference, signal, instead);
    pinned.set(name, version);
    log.info({ expert: name, version }, 'expert loaded and pinned');
  };
  const release = (version: string): void => {
    if (![...pinned.values()].includes(version)) experts.unpin(version);
  };

  const load = async (): Promise<void> => {
    const found = new Set<PreloadName>();
    for (const model of models) {
      for await (const listed of list(model, signal)) {
        for (const selector of meantBy(names, listed)) {
          const expert = listed.spec!.name;
          for (const name of names) if (means(name, { model, expert, selector })) found.add(name);
          const reference = { model, expert, version: listed.version };
          await hold(formatExpertName({ model, expert, selector }), reference).catch(fatalOnly(log));
        }
      }
    }
    for (const name of names)
      if (!found.has(name)) log.warn(name, 'nothing is published under this name to preload yet');
  };
  const refresh = (): Promise<void> => load().catch((error: unknown) => warn(log, error));

  return {
    refresh,
    async start() {
      try {
        await load();
      } catch (error) {
        if (!isAway(error)) throw error;
        warn(log, error);
        void retry(load, { log, signal, retryMs: options.retryMs ?? RETRY_MS });
      }
    },
    async moved({ model, expert, alias, version }) {
      if (!models.includes(model)) return;
      if (!names.some((name) => means(name, { model, expert, selector: alias }))) return;
      const name = formatExpertName({ model, expert, selector: alias });
      if (version !== '') {
        await hold(name, { model, expert, version }).catch((error: unknown) => warn(log, error));
        return;
      }
      const before = pinned.get(name);
      pinned.delete(name);
      if (before !== undefined) release(before);
    },
  };
}

async function retry(
  load: () => Promise<void>,
  { log, signal, retryMs }: { readonly log: Logger; readonly signal: AbortSignal; readonly retryMs: number },
): Promise<void> {
  for (;;) {
    await sleep(retryMs, signal).catch(() => {});
    if (signal.aborted) return;
    try {
      await load();
      return;
    } catch (error) {
      warn(log, error);
      if (!isAway(error)) return;
    }
  }
}

const isAway = (thrown: unknown): boolean =>
  ['UNAVAILABLE', 'DEADLINE_EXCEEDED'].includes(ZmeshError.from(thrown).code);

/** Logs what concerns one expert (damaged, retired meanwhile) and throws what concerns all of them. */
const fatalOnly =
  (log: Logger) =>
  (thrown: unknown): void => {
    if (isAway(thrown) || ZmeshError.from(thrown).reason === 'TOO_LARGE') throw thrown;
    warn(log, thrown);
  };

function warn(log: Logger, thrown: unknown): void {
  const { reason, message } = ZmeshError.from(thrown);
  log.warn({ reason }, `preload: ${message}`);
}
