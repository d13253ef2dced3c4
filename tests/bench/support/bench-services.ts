import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ensureNatsServer } from '#deploy/local/nats-server/install.js';
import { startNatsServer } from '#deploy/local/nats-server/start.js';
import { startServiceProcess } from '#deploy/local/service-process.js';
import { projectRoot, zmeshHome } from '#shared/paths.js';

/** A service's process. */
export interface ServiceProcess {
  readonly pid: number;
  /** `host:port`. */
  readonly address: string;
}

/** Service processes of one measurement, and what they leave. */
export interface BenchServices {
  /** A folder that goes with them. */
  readonly home: string;
  /** A nats-server of their own. */
  readonly natsUrl: string;
  /** Starts a service, without traces, as a deployment without a collector runs it. */
  start(name: string, env: NodeJS.ProcessEnv): Promise<ServiceProcess>;
  /** Has something undone before what was started earlier. */
  onClose(undo: () => unknown): void;
  /** Stops everything, last started first, and removes the folder. */
  close(): Promise<void>;
}

/** Starts a nats-server and makes a place for services. */
export async function startBenchServices(): Promise<BenchServices> {
  const home = await mkdtemp(join(tmpdir(), 'zmesh-bench-'));
  const undo: (() => unknown)[] = [() => rm(home, { recursive: true, force: true, maxRetries: 5 })];
  const close = async (): Promise<void> => {
    for (const step of undo.splice(0).reverse()) await step();
  };
  try {
    const { path } = await ensureNatsServer({ home: zmeshHome(), log: console.error });
    const nats = await startNatsServer({ path, storeDir: join(home, 'nats') });
    undo.push(() => nats.stop());
    const { signal } = new AbortController();
    return {
      home,
      natsUrl: nats.url,
      onClose: (step) => undo.push(step),
      close,
      async start(name, env) {
        const started = await startServiceProcess({
          name,
          entry: join(projectRoot, 'dist/services', name, 'main.js'),
          env: { ...process.env, ZMESH_LOG_LEVEL: 'error', ...env },
          logFile: join(home, `${name}.log`),
          signal,
        });
        undo.push(started.stop);
        return { pid: started.pid, address: started.address ?? '' };
      },
    };
  } catch (error) {
    await close();
    throw error;
  }
}
