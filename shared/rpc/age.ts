import type { CallContext } from './call.js';

/** Metadata key: how long ago the request that a call belongs to came in at the front door, whole milliseconds. */
const AGE_KEY = 'zmesh-age-ms';
/** Nobody waits longer; a greater age counts as this. */
const AGE_MS_MAX = 600_000;

/** Metadata that tells a peer when the request came in, given on performance.now's clock: its place in queues counts from there. */
export function ageMetadata(arrivedMs: number): Readonly<Record<string, string>> {
  return { [AGE_KEY]: String(Math.round(performance.now() - arrivedMs)) };
}

/** The age that the caller told, milliseconds; 0 if it told none or no number. */
export function ageOf(call: Pick<CallContext, 'metadata'>): number {
  const told = call.metadata(AGE_KEY) ?? '';
  return /^\d{1,9}$/.test(told) ? Math.min(AGE_MS_MAX, Number(told)) : 0;
}
