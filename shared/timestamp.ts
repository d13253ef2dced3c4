import type { Timestamp } from '#proto/google/protobuf/timestamp.js';

/** A date as protobuf's Timestamp, to the millisecond. */
export function timestamp(date: Date): Timestamp {
  const ms = date.getTime();
  const seconds = Math.floor(ms / 1000);
  return { seconds: BigInt(seconds), nanos: (ms - seconds * 1000) * 1_000_000 };
}

/** Milliseconds since the epoch of a Timestamp. */
export function epochMs({ seconds, nanos }: Timestamp): number {
  return Number(seconds) * 1000 + nanos / 1e6;
}

/** Milliseconds since a time that another process may have written; below 0 if it is still to come. */
export function msSince(time: Timestamp): number {
  return Date.now() - epochMs(time);
}
