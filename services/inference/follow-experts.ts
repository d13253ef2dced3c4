import type { RegistryEvent } from '#proto/zmesh/v1/events.js';
import { sleep } from '#shared/deadline.js';
import { ZmeshError } from '#shared/errors.js';
import { connectEvents, type EventConnection } from '#shared/events/connection.js';
import { consumeExpertEvents } from '#shared/events/expert-events.js';
import type { Logger } from '#shared/log.js';
import type { ExpertCache, ExpertReference } from './experts.js';
import type { Preload } from './preload.js';

const RECONNECT_MS = 2000;
/** Versions of mixtures that are remembered: their aliases move right after they were published, as a rule. */
export const ADAPTATIONS_MAX = 10_000;

/** What following needs. */
export interface FollowOptions {
  readonly natsUrl: string;
  readonly experts: ExpertCache;
  /** Names of the served models. */
  readonly models: readonly string[];
  /** Hears of the aliases too. Default none. */
  readonly preload?: Preload | undefined;
  readonly log: Logger;
  readonly signal: AbortSignal;
}

/**
 * Follows the registry's events: fetches what an alias points to before anybody asks for it, and stops serving what is
 * retired. An optimisation: without events experts are fetched when they are first asked for. Resolves when `signal` aborts.
 */
export async function followExperts(options: FollowOptions): Promise<void> {
  const { natsUrl, preload, log, signal } = options;
  const adaptations = new Set<string>();
  while (!signal.aborted) {
    let connection: EventConnection | undefined;
    try {
      connection = await connectEvents({ url: natsUrl, name: 'inference', log });
      await consumeExpertEvents(connection, {
        signal,
        onEvent: (event) => handleEvent(event, { ...options, adaptations }),
        // Aliases may have moved between the start and here, or during an outage.
        onCurrent: () => void preload?.refresh(),
      });
    } catch (error) {
      log.warn({ reason: ZmeshError.from(error).reason }, `events: ${ZmeshError.from(error).message}`);
      await sleep(RECONNECT_MS, signal).catch(() => {});
    } finally {
      await connection?.close();
    }
  }
}

/** What one event does. Failures are logged, never thrown. `adaptations`: versions known to be mixtures, which have no vectors to fetch. */
export async function handleEvent(
  { change }: RegistryEvent,
  {
    experts,
    models,
    preload,
    log,
    signal,
    adaptations,
  }: Omit<FollowOptions, 'natsUrl'> & { readonly adaptations: Set<string> },
): Promise<void> {
  if (change?.$case === 'expertPublished' && change.value.mixture)
    remember(adaptations, change.value.version);
  if (change?.$case === 'expertRetired') experts.retire(change.value.version);
  if (change?.$case !== 'aliasMoved') return;
  await preload?.moved(change.value);
  if (change.value.version === '') return;
  const { model, expert, version } = change.value;
  if (!models.includes(model) || adaptations.has(version)) return;
  const reference: ExpertReference = { model, expert, version };
  try {
    const { fetched } = await experts.get(reference, signal);
    if (fetched) log.info(reference, 'expert fetched ahead');
  } catch (error) {
    log.warn({ ...reference, reason: ZmeshError.from(error).reason }, 'expert could not be fetched ahead');
  }
}

/** Adds to the newest `ADAPTATIONS_MAX`; one that is forgotten costs a failed fetch when its alias moves. */
function remember(adaptations: Set<string>, version: string): void {
  adaptations.add(version);
  for (const oldest of adaptations) {
    if (adaptations.size <= ADAPTATIONS_MAX) return;
    adaptations.delete(oldest);
  }
}
