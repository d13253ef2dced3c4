import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { ExpertRegistryServiceService } from '#proto/zmesh/v1/expert_registry.js';
import { loadSettings } from '#shared/config.js';
import { connect } from '#shared/rpc/client.js';
import { EMBEDDED_FOLDER, EMBEDDED_MODEL, publishEmbeddedExperts } from './embedded-model.js';
import { describeImport, importModel } from './import-model.js';
import { type MeshProcesses, meshProcesses } from './mesh-processes.js';
import { ensureNatsServer } from './nats-server/install.js';
import { startNatsServer } from './nats-server/start.js';
import { checkPort, portOf } from './port.js';
import { replicaCounts } from './replica-counts.js';
import { claimRun } from './run-file.js';
import { LOCAL_SETTINGS, type LocalSettings } from './settings.js';
import { traceSettings } from './traces/config.js';
import { startTraceSink } from './traces/sink.js';

/** A running local mesh. */
export interface LocalMesh {
  /** `host:port` of the dispatcher, the registry and the trainer (of several replicas all, with commas), and the trace store's URL. */
  readonly addresses: {
    readonly dispatcher: string;
    readonly registry: string;
    readonly trainer: string;
    readonly traces: string;
  };
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
 * Starts nats-server, the trace store, the expert registry, inference, the trainer and the dispatcher as processes of their own,
 * prepares the embedded model and publishes its experts where they are missing. Rejects with one line; nothing is left
 * running then.
 */
export async function startMesh(options: MeshOptions): Promise<LocalMesh> {
  const { home, settings, env: outer, say, signal } = options;
  const counts = replicaCounts(settings.replicas, LOCAL_SETTINGS.replicas.env);
  await checkPorts(settings);
  const logs = join(home, 'logs');
  mkdirSync(logs, { recursive: true });
  const claim = claimRun(home, say);
  const env: NodeJS.ProcessEnv = { ...outer, ZMESH_HOME: home };
  const processes = meshProcesses({ claim, logs, env, say, signal });
  try {
    const sink = await startTraceSink(loadSettings(traceSettings, outer));
    processes.inside('traces', sink.url, () => sink.close());
    env.ZMESH_TRACE_SINK = sink.url;

    env.ZMESH_NATS_URL = await startNats(processes, options);

    const registryPort = { variable: 'ZMESH_REGISTRY_PORT', value: settings.registryPort };
    const registries = await processes.service('expert-registry', registryPort, { count: counts.registry });
    const registry = registries.join(',');
    env.ZMESH_REGISTRY_ADDRESS = registry;

    const embedded = settings.models.includes(EMBEDDED_MODEL);
    if (embedded) await prepareEmbedded(options);
    const inferencePort = { variable: 'ZMESH_INFERENCE_PORT', value: settings.inferencePort };
    const inference = await processes.service('inference', inferencePort, {
      count: counts.inference,
      env: { ZMESH_INFERENCE_MODELS: settings.models.join(',') },
    });
    if (embedded) await publishExperts(registry, options);

    const trainerPort = { variable: 'ZMESH_TRAINER_PORT', value: settings.trainerPort };
    const trainers = await processes.service('trainer', trainerPort, {
      count: counts.trainer,
      env: { ZMESH_INFERENCE_ADDRESS: inference.join(',') },
    });

    const dispatcherPort = { variable: 'ZMESH_DISPATCHER_PORT', value: settings.dispatcherPort };
    const dispatchers = await processes.service('dispatcher', dispatcherPort, {
      count: counts.dispatcher,
      env: { ZMESH_INFERENCE_ADDRESS: inference.join(','), ZMESH_TRAINER_ADDRESS: trainers.join(',') },
    });
    processes.ready();
    return {
      addresses: {
        dispatcher: dispatchers.join(','),
        registry,
        trainer: trainers.join(','),
        traces: sink.url,
      },
      lost: processes.lost(),
      stop: processes.stop,
    };
  } catch (error) {
    await processes.stop();
    throw error;
  }
}

async function startNats(processes: MeshProcesses, options: MeshOptions): Promise<string> {
  const { home, settings, env, say } = options;
  const { path } = await ensureNatsServer({ home, log: say, env });
  const storeDir = join(home, 'nats');
  return processes.keep('nats-server', join(storeDir, 'nats-server.log'), async (before) => {
    const port = before?.address ? portOf(before.address) : settings.natsPort;
    const started = await startNatsServer({ path, storeDir, port });
    return { ...started, address: started.url };
  });
}

async function checkPorts(settings: LocalSettings): Promise<void> {
  await checkPort('dispatcher', '127.0.0.1', settings.dispatcherPort);
  await checkPort('expert-registry', '127.0.0.1', settings.registryPort);
  await checkPort('inference', '127.0.0.1', settings.inferencePort);
  await checkPort('trainer', '127.0.0.1', settings.trainerPort);
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
