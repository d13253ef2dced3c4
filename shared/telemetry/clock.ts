const RESYNC_MS = 10_000;
let offsetMs = Number.NaN;
let syncedAtMs = Number.NEGATIVE_INFINITY;

/** Milliseconds on a clock that never jumps, the same in all threads of the process. What durations are measured with. */
export function monotonicMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}

/**
 * What the wall clock said at a time of `monotonicMs()`, milliseconds since 1970 with its resolution. Follows the wall clock
 * (read again every 10 s), so a process that was suspended does not report old times; where that jumps, what is converted
 * at one go still has its true distances.
 */
export function epochOf(atMs: number): number {
  const now = monotonicMs();
  if (now - syncedAtMs > RESYNC_MS) {
    syncedAtMs = now;
    // Small differences are the wall clock's rounding to whole milliseconds, not drift.
    if (!(Math.abs(Date.now() - (offsetMs + now)) <= 2)) offsetMs = Date.now() - now;
  }
  return offsetMs + atMs;
}
