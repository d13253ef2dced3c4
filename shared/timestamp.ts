import type { Timestamp } from '#proto/google/protobuf/timestamp.js';

/** A date as protobuf's Timestamp, to the millisecond. */
export function timestamp(date: Date): Timestamp {
  const ms = date.getTime();
  const seconds = Math.floor(ms / 1000);
  return { seconds: BigInt(seconds), nanos: (ms - seconds * 1000) * 1_000_000 };
}

/** A Timestamp as milliseconds of the epoch. */
export function millisecondsOf({ seconds, nanos }: Timestamp): number {
  return Number(seconds) * 1000 + nanos / 1_000_000;
}
