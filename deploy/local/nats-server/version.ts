import { execFile } from 'node:child_process';

/** The oldest nats-server zmesh works with: older ones lose streams after kills and lack per-key TTL. */
export const MINIMUM_VERSION = '2.11.0';

const VERSION_TIMEOUT_MS = 10_000;

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

/**
 * The version a nats-server binary says it has, e.g. `2.15.1`.
 * Rejects with one sentence if it does not run or does not answer like a nats-server.
 */
export function versionOf(path: string): Promise<string> {
  return new Promise((resolve, reject) => {
    execFile(path, ['--version'], { timeout: VERSION_TIMEOUT_MS }, (error, stdout) => {
      const version = /v?(\d+\.\d+\.\d+)/.exec(stdout)?.[1];
      if (version && stdout.includes('nats-server')) resolve(version);
      else if (error) reject(new Error(`${path} does not run: ${firstLine(error.message)}`));
      else
        reject(
          new Error(
            `${path} is not a nats-server: it answers --version with ${JSON.stringify(firstLine(stdout))}`,
          ),
        );
    });
  });
}

function numbers(version: string): readonly [number, number, number] {
  const match = /^v?(\d+)\.(\d+)\.(\d+)/.exec(version);
  if (!match) throw new Error(`not a version: ${JSON.stringify(version)}`);
  return [Number(match[1]), Number(match[2]), Number(match[3])];
}

function firstLine(text: string): string {
  return text.trim().split('\n', 1)[0] ?? '';
}
