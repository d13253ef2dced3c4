import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { ensureNatsServer } from '#deploy/local/nats-server/install.js';
import { startNatsServer } from '#deploy/local/nats-server/start.js';
import { Mixture, MixtureArm, Normalisation } from '#proto/zmesh/v1/common.js';
import { ExpertKind, ExpertRegistryServiceService } from '#proto/zmesh/v1/expert_registry.js';
import { InferenceServiceService } from '#proto/zmesh/v1/inference.js';
import { projectRoot, zmeshHome } from '#shared/paths.js';
import { connect, type RpcClient } from '#shared/rpc/client.js';
import { writeVectors } from '#shared/svf/vectors.js';
import { type Cleanup, lastFirst } from '../../support/cleanup.js';
import { startChildService } from './child-service.js';
import type { GoldenAdapted, GoldenFolder, GoldenNormalisation } from './golden-folder.js';

/** A real mesh that serves golden checkpoints: nats-server, registry and inference, each a process. */
export interface GoldenMesh {
  readonly client: RpcClient<typeof InferenceServiceService>;
  /** The request's mixture for one way of adapting; null = the base. */
  mixture(
    golden: GoldenFolder,
    adapted: Pick<GoldenAdapted, 'mixture' | 'normalisation'> | null,
  ): Mixture | undefined;
  /** Stops every process and removes what was written. Throws if a service does not leave in good order. */
  stop(): Promise<void>;
}

/** An expert made of ones: it must be the base, bit for bit, though it takes another way. */
export const ONES = 'ones';

/** Imports the checkpoints (every linear factored), starts the services, publishes the experts. */
export async function startGoldenMesh(
  folders: readonly GoldenFolder[],
  settings: NodeJS.ProcessEnv = {},
): Promise<GoldenMesh> {
  let stop = async (): Promise<void> => {};
  const cleanup = lastFirst({
    after: (fn) => {
      stop = fn;
    },
  });
  try {
    return { ...(await start(cleanup, folders, settings)), stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function start(
  stack: Cleanup,
  folders: readonly GoldenFolder[],
  settings: NodeJS.ProcessEnv,
): Promise<Omit<GoldenMesh, 'stop'>> {
  const home = await mkdtemp(join(tmpdir(), 'zmesh-golden-mesh-'));
  stack.after(() => rm(home, { recursive: true, force: true }));
  const { path } = await ensureNatsServer({
    home: zmeshHome(),
    log: (line) => process.stderr.write(`${line}\n`),
  });
  const nats = await startNatsServer({ path, storeDir: join(home, 'nats') });
  stack.after(() => nats.stop());
  const env = { ZMESH_HOME: home, ZMESH_NATS_URL: nats.url, ZMESH_TRACE_SINK: '' };
  for (const { folder, name } of folders) {
    const program = join(projectRoot, 'dist/services/inference/import.js');
    await promisify(execFile)(process.execPath, [program, folder, '--name', name, '--adapt', 'all'], {
      env: { ...process.env, ...env },
    });
  }
  const registry = await startChildService('expert-registry', env);
  stack.after(() => registry.stop());
  const inference = await startChildService('inference', {
    ...settings,
    ...env,
    ZMESH_REGISTRY_ADDRESS: registry.address,
    ZMESH_INFERENCE_MODELS: folders.map(({ name }) => name).join(','),
  });
  stack.after(() => inference.stop());
  const versions = await publishExperts(registry.address, folders);
  const client = connect(InferenceServiceService, {
    address: inference.address,
    unavailable: 'INFERENCE_UNAVAILABLE',
  });
  stack.after(() => client.close());
  return {
    client,
    mixture(golden, adapted) {
      if (!adapted) return undefined;
      const arms = adapted.mixture.map(({ expert, alpha, alpha_per_matrix: perMatrix }) => {
        const name = expertName(expert, adapted.normalisation);
        // Matrices that the golden mixture does not name are the base's: the α of all arms sum to 1 there.
        return MixtureArm.create({
          expert: expert === 'base' ? expert : `${name}@${versions.get(`${golden.name}/${name}`)}`,
          alpha: alpha ?? 1 / adapted.mixture.length,
          alphaPerMatrix: perMatrix ?? {},
        });
      });
      return Mixture.create({ arms });
    },
  };
}

const expertName = (expert: string, normalisation: GoldenNormalisation): string =>
  `${expert}-${normalisation}`;

/** Publishes every golden expert once for each normalisation; versions by `model/expert`. */
async function publishExperts(
  address: string,
  folders: readonly GoldenFolder[],
): Promise<ReadonlyMap<string, string>> {
  const registry = connect(ExpertRegistryServiceService, { address, unavailable: 'REGISTRY_UNAVAILABLE' });
  const versions = new Map<string, string>();
  for (const golden of folders) {
    const { model } = await registry.getModel({ name: golden.name });
    for (const [expert, multipliers] of expertsOf(golden)) {
      for (const normalisation of ['none', 'trace'] as const) {
        const name = expertName(expert, normalisation);
        const spec = {
          model: golden.name,
          name,
          basisId: model!.basisId,
          normalisation: normalisation === 'none' ? Normalisation.NONE : Normalisation.TRACE,
          kind: ExpertKind.TASK,
          label: '',
          description: '',
          metadata: {},
          mixture: undefined,
          categories: [],
        };
        const published = await registry.publishExpert({
          spec,
          vectors: writeVectors(multipliers),
          alias: '',
        });
        versions.set(`${golden.name}/${name}`, published.expert!.version);
      }
    }
  }
  registry.close();
  return versions;
}

/** The golden experts of a checkpoint by name, and `ones`. */
export function expertsOf({ tensors }: GoldenFolder): ReadonlyMap<string, ReadonlyMap<string, Float32Array>> {
  const experts = new Map<string, Map<string, Float32Array>>();
  for (const [key, { data }] of tensors) {
    const [kind, expert, weight] = key.split('/');
    if (kind !== 'expert') continue;
    for (const name of [expert!, ONES]) {
      const vectors = experts.get(name) ?? new Map<string, Float32Array>();
      vectors.set(weight!, name === ONES ? new Float32Array(data.length).fill(1) : Float32Array.from(data));
      experts.set(name, vectors);
    }
  }
  return experts;
}
