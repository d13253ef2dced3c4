const RESYNC_MS = 10_000;
let offsetMs = performance.timeOrigin;
let syncedAtMs = Number.NEGATIVE_INFINITY;

/**
 * The time as spans know it: milliseconds since 1970 with the resolution of `performance.now()`, the same in worker threads.
 * Follows the wall clock (read again every 10 s), so a process that was suspended does not report old times.
 */
export function epochMs(): number {
  const now = performance.now();
  if (now - syncedAtMs > RESYNC_MS) {
    syncedAtMs = now;
    // Small differences are the wall clock's rounding to whole milliseconds, not drift.
    if (Math.abs(Date.now() - (offsetMs + now)) > 2) offsetMs = Date.now() - now;
  }
  return offsetMs + now;
}
