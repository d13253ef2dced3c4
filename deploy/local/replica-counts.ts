import { SettingsError } from '#shared/config.js';

/** Services that may run several times, by the name of their setting. */
export const REPLICATED = {
  registry: 'expert-registry',
  inference: 'inference',
  dispatcher: 'dispatcher',
  trainer: 'trainer',
} as const;

/** How often each service runs. */
export type ReplicaCounts = { readonly [K in keyof typeof REPLICATED]: number };

const REPLICAS_MAX = 16;

/**
 * Reads `inference=2,dispatcher=2`; a service that is not named runs once. Throws SettingsError, which names `variable`,
 * for other services and for numbers outside 1 to 16.
 */
export function replicaCounts(items: readonly string[], variable: string): ReplicaCounts {
  const counts = { registry: 1, inference: 1, dispatcher: 1, trainer: 1 };
  const faults: string[] = [];
  for (const item of items) {
    const [, name = '', digits = ''] = /^([^=]*)=(\d{1,3})$/.exec(item) ?? [];
    const count = Number(digits);
    if (Object.hasOwn(counts, name) && count >= 1 && count <= REPLICAS_MAX)
      counts[name as keyof typeof counts] = count;
    else
      faults.push(
        `${variable}: "${item}" is not one of ${Object.keys(counts).join(', ')} with a number, 1 to ${REPLICAS_MAX}, e.g. inference=2`,
      );
  }
  if (faults.length > 0) throw new SettingsError(faults);
  return counts;
}
