import { PassTiming } from '#proto/zmesh/v1/common.js';
import type { PassSummary } from '#proto/zmesh/v1/inference.js';

/** A pass's timing with the total as the dispatcher saw it, from `startMs` (performance.now's clock) until now. */
export function timingOf(summary: PassSummary, startMs: number): PassTiming {
  return { ...(summary.timing ?? PassTiming.create()), totalMs: performance.now() - startMs };
}
