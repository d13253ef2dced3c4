import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { ExpertRegistryServiceService } from '#proto/zmesh/v1/expert_registry.js';
import { loadSettings } from '#shared/config.js';
import { projectRoot } from '#shared/paths.js';
import { connect } from '#shared/rpc/client.js';
import { EMBEDDED_FOLDER, EMBEDDED_MODEL, publishEmbeddedExperts } from './embedded-model.js';
import { describeImport, importModel } from './import-model.js';
import { ensureNatsServer } from './nats-server/install.js';
import { startNatsServer } from './nats-server/start.js';
import { checkPort, portOf } from './port.js';
import { claimRun, type RunProcess } from './run-file.js';
import { startServiceProcess } from './service-process.js';
import type { LocalSettings } from './settings.js';
import { type Supervised, supervise } from './supervise.js';
import { traceSettings } from './traces/config.js';
import { startTraceSink } from './traces/sink.js';

/** A running local mesh. */
export interface LocalMesh {
  /** `host:port` of the dispatcher and the registry, and the trace store's URL. */
  readonly addresses: { readonly dispatcher: string; readonly registry: string; readonly traces: string };
  /** Resolves with one line if a service was given up. */
  readonly lost: Promise<string>;
  /** Drains the services, front to back, and removes the run file. */
  stop(): Promise<void>;
}

/** How to start one. */
export interface MeshOptions {
  /** Prepared models, logs, stores and the run file live here. */
  readonly home: string;
  readonly settings: LocalSettings;
  readonly env: NodeJS.ProcessEnv;
  /** Hears one line for each thing done, reused or gone wrong. */
  readonly say: (line: string) => void;
  /** Hears how far the preparation of the embedded model is. */
  readonly progress: (line: string) => void;
  /** Ends the start; the caller stops a mesh that has started. */
  readonly signal: AbortSignal;
}

/**
 * Starts nats-server, the trace store, the expert registry, inference and the dispatcher as processes of their own,
 * prepares the embedded model and publishes its experts where they are missing. Rejects with one line; nothing is left
 * running then.
 */
export async function startMesh(options: MeshOptions): Promise<LocalMesh> {
  const { home, settings, env, say, signal } = options;
  await checkPorts(settings);
  const claim = claimRun(home, say);
  const undo: (() => Promise<void>)[] = [async () => claim.release()];
  const stop = async (): Promise<void> => {
    for (const step of undo.splice(0).reverse()) await step();
  };
  const running: { readonly process: Supervised; readonly log: string }[] = [];
  let traces = '';
  const note = (phase: 'starting' | 'ready'): void => {
    const processes: RunProcess[] = running.map(({ process: { name, current }, log }) => {
      const { pid, address } = current();
      return { name, pid, log, ...(address === undefined ? {} : { address }) };
    });
    if (traces !== '') processes.push({ name: 'traces', pid: process.pid, address: traces, log: '' });
    claim.update({ phase, processes });
  };
  let phase: 'starting' | 'ready' = 'starting';
  const keep = async (
    name: string,
    log: string,
    start: Parameters<typeof supervise>[0]['start'],
  ): Promise<string> => {
    const supervised = await supervise({ name, start, say, restarted: () => note(phase) });
    undo.push(() => supervised.stop());
    running.push({ process: supervised, log });
    note(phase);
    signal.throwIfAborted();
    return supervised.current().address ?? '';
  };
  const logs = join(home, 'logs');
  const base: NodeJS.ProcessEnv = { ...env, ZMESH_HOME: home };
  const service = (name: string, portVariable: string, port: number, extra: NodeJS.ProcessEnv) => {
    const logFile = join(logs, `${name}.log`);
    rmSync(logFile, { force: true });
    return keep(name, logFile, (address) =>
      startServiceProcess({
        name,
        entry: join(projectRoot, 'dist/services', name, 'main.js'),
        env: { ...base, ...extra, [portVariable]: String(address ? portOf(address) : port) },
        logFile,
        signal,
      }),
    );
  };
  try {
    mkdirSync(logs, { recursive: true });
    const sink = await startTraceSink(loadSettings(traceSettings, env));
    undo.push(() => sink.close());
    traces = base.ZMESH_TRACE_SINK = sink.url;

    const nats = await ensureNatsServer({ home, log: say, env });
    const natsStore = join(home, 'nats');
    const natsUrl = await keep('nats-server', join(natsStore, 'nats-server.log'), async (url) => {
      const port = url ? portOf(url) : settings.natsPort;
      const started = await startNatsServer({ path: nats.path, storeDir: natsStore, port });
      return { ...started, address: started.url };
    });
    const registry = await service('expert-registry', 'ZMESH_REGISTRY_PORT', settings.registryPort, {
      ZMESH_NATS_URL: natsUrl,
    });
    if (settings.models.includes(EMBEDDED_MODEL)) await prepareEmbedded(options);
    const inference = await service('inference', 'ZMESH_INFERENCE_PORT', settings.inferencePort, {
      ZMESH_NATS_URL: natsUrl,
      ZMESH_REGISTRY_ADDRESS: registry,
      ZMESH_INFERENCE_MODELS: settings.models.join(','),
    });
    if (settings.models.includes(EMBEDDED_MODEL)) await publishExperts(registry, options);
    const dispatcher = await service('dispatcher', 'ZMESH_DISPATCHER_PORT', settings.dispatcherPort, {
      ZMESH_INFERENCE_ADDRESS: inference,
      ZMESH_REGISTRY_ADDRESS: registry,
    });
    phase = 'ready';
    note(phase);
    const lost = Promise.race(running.map(({ process: { lost: one } }) => one));
    return { addresses: { dispatcher, registry, traces }, lost, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function checkPorts(settings: LocalSettings): Promise<void> {
  await checkPort('dispatcher', '127.0.0.1', settings.dispatcherPort);
  await checkPort('expert-registry', '127.0.0.1', settings.registryPort);
  await checkPort('inference', '127.0.0.1', settings.inferencePort);
  await checkPort('nats-server', '127.0.0.1', settings.natsPort);
}

async function prepareEmbedded({ home, say, progress, signal }: MeshOptions): Promise<void> {
  let last = '';
  let reused = false;
  const status = await importModel({
    args: [EMBEDDED_FOLDER, '--name', EMBEDDED_MODEL],
    home,
    signal,
    onEvent: (event) => {
      if (event.type === 'error') last = `${event.message} (${event.reason})`;
      if (event.type === 'done') reused = event.reused === true;
      const line = describeImport(event);
      if (line) progress(`model ${EMBEDDED_MODEL}: ${line}`);
    },
    onLine: (line) => {
      last = line;
    },
  });
  signal.throwIfAborted();
  if (status !== 0)
    throw new Error(`model ${EMBEDDED_MODEL} could not be prepared: ${last || `status ${status}`}`);
  say(`model ${EMBEDDED_MODEL}: ${reused ? 'prepared before, reused' : 'prepared'}`);
}

async function publishExperts(address: string, { say, signal }: MeshOptions): Promise<void> {
  const registry = connect(ExpertRegistryServiceService, { address, unavailable: 'REGISTRY_UNAVAILABLE' });
  try {
    const published = await publishEmbeddedExperts(registry, signal);
    say(
      published.length === 0
        ? 'experts: published before, reused'
        : `experts: published ${published.join(', ')} under the alias stable`,
    );
  } finally {
    registry.close();
  }
}
