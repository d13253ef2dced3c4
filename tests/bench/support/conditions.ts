import { availableParallelism, loadavg } from 'node:os';

/** What a figure was measured under, for its line: cores and the load of the last minute. */
export function conditions(): string {
  return `${availableParallelism()} cores, load ${loadavg()[0]!.toFixed(1)}, Node ${process.versions.node}`;
}
