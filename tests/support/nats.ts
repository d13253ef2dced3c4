import { mkdtempSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ensureNatsServer } from '#deploy/local/nats-server/install.js';
import { type RunningNatsServer, startNatsServer } from '#deploy/local/nats-server/start.js';
import { zmeshHome } from '#shared/paths.js';
import type { Cleanup } from './cleanup.js';

/** A real nats-server for a test, in a folder of its own. */
export interface TestNats {
  /** `nats://127.0.0.1:port`; stays the same over restarts. */
  readonly url: string;
  /** Where it keeps its streams. */
  readonly storeDir: string;
  /** Kills it with SIGKILL and waits until it is gone. */
  kill(): Promise<void>;
  /** Starts it again on the same port and data, after `kill` or `stop`. */
  restart(): Promise<void>;
  /** Stops it in good order. */
  stop(): Promise<void>;
}

/** Starts a nats-server that is stopped and removed after the test (or the file: pass `lastFirst({ after })` and await at the top level). */
export async function withNats(t: Cleanup): Promise<TestNats> {
  const { path } = await ensureNatsServer({
    home: zmeshHome(),
    log: (line) => process.stderr.write(`${line}\n`),
  });
  const storeDir = mkdtempSync(join(tmpdir(), 'zmesh-nats-'));
  let server: RunningNatsServer = await startNatsServer({ path, storeDir });
  t.after(async () => {
    await server.stop();
    await rm(storeDir, { recursive: true, force: true });
  });
  return {
    url: server.url,
    storeDir,
    async kill() {
      process.kill(server.pid, 'SIGKILL');
      await server.exited;
    },
    async restart() {
      server = await startNatsServer({ path, storeDir, port: server.port });
    },
    stop: () => server.stop(),
  };
}
