import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { ensureNatsServer } from '#deploy/local/nats-server/install.js';
import { startNatsServer } from '#deploy/local/nats-server/start.js';
import { ExpertRegistryServiceService } from '#proto/zmesh/v1/expert_registry.js';
import { InferenceServiceService } from '#proto/zmesh/v1/inference.js';
import { projectRoot, zmeshHome } from '#shared/paths.js';
import { connect, type RpcClient } from '#shared/rpc/client.js';
import { startChildService } from '../golden/service/child-service.js';
import type { Cleanup } from '../support/cleanup.js';

/** The name under which the model is fetched and served. */
export const MODEL = 'smollm2-135m';

/** The real model in a real mesh: fetched and prepared by the command, served by processes. */
export interface RealMesh {
  /** The GGUF file as it was fetched. */
  readonly file: string;
  /** The prepared model's folder. */
  readonly prepared: string;
  readonly inference: RpcClient<typeof InferenceServiceService>;
  /** Process id of the inference service. */
  readonly inferencePid: number;
  readonly registry: RpcClient<typeof ExpertRegistryServiceService>;
}

/**
 * Fetches and prepares the model in a home of its own (`ZMESH_REAL_HOME` keeps one), then starts nats-server, registry and
 * inference. `log` hears what the command says.
 */
export async function startRealMesh(t: Cleanup, log: (line: string) => void): Promise<RealMesh> {
  const kept = process.env.ZMESH_REAL_HOME;
  const home = kept ? resolve(kept) : await mkdtemp(join(tmpdir(), 'zmesh-real-'));
  if (!kept) t.after(() => rm(home, { recursive: true, force: true, maxRetries: 5 }));
  const events = await fetchModel(home, log);
  const found = (type: string): Record<string, string> => {
    const event = events.find((candidate) => candidate.type === type);
    if (!event) throw new Error(`model fetch told no ${type}`);
    return event;
  };
  const { path } = await ensureNatsServer({ home: zmeshHome(), log });
  const storeDir = await mkdtemp(join(tmpdir(), 'zmesh-real-nats-'));
  t.after(() => rm(storeDir, { recursive: true, force: true, maxRetries: 5 }));
  const nats = await startNatsServer({ path, storeDir });
  t.after(() => nats.stop());
  const env = { ZMESH_HOME: home, ZMESH_NATS_URL: nats.url, ZMESH_TRACE_SINK: '' };
  const registryService = await startChildService('expert-registry', env);
  t.after(() => registryService.stop());
  const inferenceService = await startChildService('inference', {
    ...env,
    ZMESH_REGISTRY_ADDRESS: registryService.address,
    ZMESH_INFERENCE_MODELS: MODEL,
  });
  t.after(() => inferenceService.stop());
  const inference = connect(InferenceServiceService, {
    address: inferenceService.address,
    unavailable: 'INFERENCE_UNAVAILABLE',
  });
  t.after(() => inference.close());
  const registry = connect(ExpertRegistryServiceService, {
    address: registryService.address,
    unavailable: 'REGISTRY_UNAVAILABLE',
  });
  t.after(() => registry.close());
  return {
    file: found('fetched').path!,
    prepared: found('done').folder!,
    inference,
    inferencePid: inferenceService.pid,
    registry,
  };
}

/** Runs `zmesh model fetch`; the events of its `--json` output. */
async function fetchModel(home: string, log: (line: string) => void): Promise<Record<string, string>[]> {
  const entry = join(projectRoot, 'dist/services/cli/main.js');
  const { NODE_TEST_CONTEXT: _, ...outer } = process.env;
  const child = spawn(process.execPath, [entry, 'model', 'fetch', MODEL, '--json'], {
    env: { ...outer, ZMESH_HOME: home },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let out = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    out += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => log(text.trimEnd()));
  const code = await new Promise<number | null>((done, reject) => {
    child.on('error', reject);
    child.on('close', done);
  });
  const lines = out.trim().split('\n');
  if (code !== 0) throw new Error(`model fetch left with status ${code}: ${lines.at(-1)}`);
  return lines.map((line) => JSON.parse(line) as Record<string, string>);
}
