/** Bytes for people: `3.3 MB`. */
export function formatBytes(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  let value = bytes;
  let unit = 0;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${unit === 0 ? value : value.toFixed(1)} ${units[unit]}`;
}

/** Milliseconds for people: `0.42 ms`, `18 ms`, `3.1 s`, `4 min 05 s`. */
export function formatMs(ms: number): string {
  if (ms < 10) return `${ms.toFixed(2)} ms`;
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 60_000) return `${(ms / 1000).toFixed(1)} s`;
  const seconds = Math.round(ms / 1000);
  return `${Math.floor(seconds / 60)} min ${String(seconds % 60).padStart(2, '0')} s`;
}

/** A count for people: `1.67 M`. */
export function formatCount(count: number): string {
  if (count < 1e4) return String(count);
  const [value, unit] =
    count < 1e6 ? [count / 1e3, 'k'] : count < 1e9 ? [count / 1e6, 'M'] : [count / 1e9, 'B'];
  return `${value < 100 ? value.toFixed(2) : Math.round(value)} ${unit}`;
}

/** The first digits of a hash, enough to name it by. */
export function shortHash(hash: string): string {
  return hash.slice(0, 12);
}

/** A full expert name with its version shortened: `octo-nano/math@1a2b3c4d5e6f`. */
export function shortName(name: string): string {
  return name.replace(/@([0-9a-f]{64})$/, (_, version: string) => `@${shortHash(version)}`);
}
