import { ZmeshError } from '#shared/errors.js';
import { toToken } from '#shared/events/subjects.js';
import type { View } from './view.js';

/**
 * Refuses what rests on a record that a newer registry wrote: what is known here of its subject is older than it. During a
 * rolling upgrade a newer replica answers. Throws FORMAT_NEWER.
 */
export function refuseNewer(view: View, keys: Iterable<string>): void {
  for (const key of keys) {
    if (!view.newer.has(key)) continue;
    const message = `record ${key} was written by a newer registry (${view.faults.get(key)}); ask that, or upgrade this one`;
    throw new ZmeshError('FORMAT_NEWER', message, { names: { record: key }, retryAfterMs: 1000 });
  }
}

/** Keys of the newer records that say something of an expert: its model, versions, retirements and aliases. */
export function newerOf(view: View, model: string, expert: string): string[] {
  if (view.newer.size === 0) return [];
  const [modelToken, expertToken] = [toToken(model), toToken(expert)];
  return [...view.newer].filter((key) => {
    const [kind, ofModel, ofExpert] = key.split('.');
    return ofModel === modelToken && (kind === 'model' || ofExpert === expertToken);
  });
}
