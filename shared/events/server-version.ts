/** The oldest nats-server zmesh works with: older ones lose streams after kills and lack per-key TTL. */
export const MINIMUM_SERVER_VERSION = '2.11.0';

/** Compares two `major.minor.patch` versions: negative, zero or positive as `a` is older, equal or newer. */
export function compareVersions(a: string, b: string): number {
  const left = numbers(a);
  const right = numbers(b);
  for (let i = 0; i < 3; i += 1) {
    const difference = left[i]! - right[i]!;
    if (difference !== 0) return difference;
  }
  return 0;
}

function numbers(version: string): readonly number[] {
  const match = /^v?(\d+)\.(\d+)\.(\d+)/.exec(version);
  if (!match) throw new Error(`not a version: ${JSON.stringify(version)}`);
  return match.slice(1, 4).map(Number);
}
