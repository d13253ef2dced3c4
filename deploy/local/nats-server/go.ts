import { mkdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { runTool, toolRuns } from '#shared/run-tool.js';
import { cachedPath } from './find.js';

/** The module `go install` builds; its checksum is kept by Go's checksum database. */
export const GO_MODULE = 'github.com/nats-io/nats-server/v2@v2.15.2';

const BUILD_TIMEOUT_MS = 10 * 60_000;

/** Builds nats-server with Go into the cache of `home` and returns its path. Rejects with one sentence. */
export async function installFromGo(options: {
  readonly home: string;
  readonly env: NodeJS.ProcessEnv;
}): Promise<string> {
  if (!(await toolRuns(['go', 'version'], options.env))) throw new Error('no go on PATH');
  const target = cachedPath(options.home);
  await mkdir(dirname(target), { recursive: true });
  const env = { ...options.env, GOBIN: dirname(target) };
  await runTool(['go', 'install', GO_MODULE], { env, timeoutMs: BUILD_TIMEOUT_MS });
  return target;
}
