import { mkdtempSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ensureNatsServer } from '#deploy/local/nats-server/install.js';
import { readRun } from '#deploy/local/run-file.js';
import { startMesh } from '#deploy/local/runner.js';
import { LOCAL_SETTINGS } from '#deploy/local/settings.js';
import { loadSettings } from '#shared/config.js';
import { zmeshHome } from '#shared/paths.js';

/** A mesh of its own processes with the embedded model and its experts. */
export interface ClientMesh {
  /** `host:port` of the services. */
  readonly dispatcher: string;
  readonly registry: string;
  readonly inference: string;
  /** Every process that speaks gRPC. */
  readonly servers: readonly { readonly name: string; readonly address: string }[];
  /** URL of the trace store. */
  readonly traces: string;
  /** Process id of the dispatcher. */
  readonly dispatcherPid: number;
  stop(): Promise<void>;
}

const say = (line: string): void => {
  process.stderr.write(`${line}\n`);
};

/** Starts a mesh in a home that is removed when it stops. */
export async function startClientMesh(): Promise<ClientMesh> {
  const nats = await ensureNatsServer({ home: zmeshHome(), log: say });
  const home = mkdtempSync(join(tmpdir(), 'zmesh-clients-'));
  const { NODE_TEST_CONTEXT: _, ...outer } = process.env;
  const env = { ...outer, ZMESH_NATS_SERVER: nats.path };
  const mesh = await startMesh({
    home,
    env,
    settings: loadSettings(LOCAL_SETTINGS, {}),
    say,
    progress: () => {},
    signal: new AbortController().signal,
  });
  const processes = new Map(readRun(home)?.processes.map((process) => [process.name, process]));
  const inference = processes.get('inference')?.address;
  const dispatcherPid = processes.get('dispatcher')?.pid;
  if (!inference || !dispatcherPid) throw new Error('the run file lacks inference or the dispatcher');
  return {
    ...mesh.addresses,
    inference,
    // What speaks something else has a URL.
    servers: [...processes.values()].flatMap(({ name, address }) =>
      address === undefined || address.includes('://') ? [] : [{ name, address }],
    ),
    dispatcherPid,
    async stop() {
      await mesh.stop();
      await rm(home, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}
