import type { RegistryEvent } from '#proto/zmesh/v1/events.js';
import { sleep } from '#shared/deadline.js';
import { ZmeshError } from '#shared/errors.js';
import { connectEvents, type EventConnection } from '#shared/events/connection.js';
import { consumeExpertEvents } from '#shared/events/expert-events.js';
import type { Logger } from '#shared/log.js';
import type { ExpertCache, ExpertReference } from './experts.js';

const RECONNECT_MS = 2000;

/** What following needs. */
export interface FollowOptions {
  readonly natsUrl: string;
  readonly experts: ExpertCache;
  /** Names of the served models. */
  readonly models: readonly string[];
  readonly log: Logger;
  readonly signal: AbortSignal;
}

/**
 * Follows the registry's events: fetches what an alias points to before anybody asks for it, and stops serving what is
 * retired. An optimisation: without events experts are fetched when they are first asked for. Resolves when `signal` aborts.
 */
export async function followExperts(options: FollowOptions): Promise<void> {
  const { natsUrl, log, signal } = options;
  while (!signal.aborted) {
    let connection: EventConnection | undefined;
    try {
      connection = await connectEvents({ url: natsUrl, name: 'inference', log });
      await consumeExpertEvents(connection, { signal, onEvent: (event) => handleEvent(event, options) });
    } catch (error) {
      log.warn({ reason: ZmeshError.from(error).reason }, `events: ${ZmeshError.from(error).message}`);
      await sleep(RECONNECT_MS, signal).catch(() => {});
    } finally {
      await connection?.close();
    }
  }
}

/** What one event does. Failures are logged, never thrown. */
export async function handleEvent(
  { change }: RegistryEvent,
  { experts, models, log, signal }: Pick<FollowOptions, 'experts' | 'models' | 'log' | 'signal'>,
): Promise<void> {
  if (change?.$case === 'expertRetired') experts.retire(change.value.version);
  if (change?.$case !== 'aliasMoved' || change.value.version === '') return;
  const { model, expert, version } = change.value;
  if (!models.includes(model)) return;
  const reference: ExpertReference = { model, expert, version };
  try {
    const { fetched } = await experts.get(reference, signal);
    if (fetched) log.info(reference, 'expert fetched ahead');
  } catch (error) {
    log.warn({ ...reference, reason: ZmeshError.from(error).reason }, 'expert could not be fetched ahead');
  }
}
