import { mkdtempSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type RunningNatsServer, startNatsServer } from '#deploy/local/nats-server/start.js';
import { sleep } from '#shared/deadline.js';
import { connectEvents } from '#shared/events/connection.js';
import { createLog } from '#shared/log.js';
import type { Cleanup } from './cleanup.js';
import { freePorts } from './free-port.js';

const READY_LIMIT_MS = 30_000;

/** One node of a cluster. */
export interface ClusterNode {
  readonly name: string;
  /** Kills it with SIGKILL and waits until it is gone. */
  kill(): Promise<void>;
  /** Starts it again on its ports and data. */
  restart(): Promise<void>;
}

/** Real nats-servers in a cluster, each with data of its own. */
export interface TestCluster {
  /** Addresses of all nodes, separated by commas: what a service gets as `ZMESH_NATS_URL`. */
  readonly url: string;
  readonly nodes: readonly ClusterNode[];
}

/** Starts a cluster of nats-servers that is stopped and removed in the end. `path` is the binary. */
export async function withNatsCluster(
  t: Cleanup,
  { path, size }: { readonly path: string; readonly size: number },
): Promise<TestCluster> {
  const folder = mkdtempSync(join(tmpdir(), 'zmesh-cluster-'));
  t.after(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }));
  const ports = await freePorts(2 * size);
  const [clientPorts, routes] = [ports.slice(0, size), ports.slice(size)];
  const start = async (index: number): Promise<ClusterNode> => {
    const name = `node-${index + 1}`;
    const launch = (): Promise<RunningNatsServer> =>
      startNatsServer({
        path,
        storeDir: join(folder, name),
        port: clientPorts[index]!,
        cluster: { name: 'zmesh-test', node: name, port: routes[index]!, routes },
      });
    let server = await launch();
    t.after(() => server.stop());
    return {
      name,
      async kill() {
        process.kill(server.pid, 'SIGKILL');
        await server.exited;
      },
      async restart() {
        server = await launch();
      },
    };
  };
  const nodes = await Promise.all(clientPorts.map((_, index) => start(index)));
  const url = clientPorts.map((port) => `nats://127.0.0.1:${port}`).join(',');
  await canKeepCopies(url, size);
  return { url, nodes };
}

/** Waits until the nodes have found each other and keep a stream in as many copies. */
async function canKeepCopies(url: string, copies: number): Promise<void> {
  const log = createLog('test', { ZMESH_LOG_LEVEL: 'silent' });
  for (const giveUp = Date.now() + READY_LIMIT_MS; ; await sleep(200)) {
    try {
      const { jsm, close } = await connectEvents({ url, name: 'test', log });
      try {
        await jsm.streams.add({ name: 'READY', subjects: ['ready'], num_replicas: copies });
        await jsm.streams.delete('READY');
        return;
      } finally {
        await close();
      }
    } catch (error) {
      if (Date.now() > giveUp) throw error;
    }
  }
}
