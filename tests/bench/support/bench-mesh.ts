import { mkdir } from 'node:fs/promises';
import { EMBEDDED_FOLDER, EMBEDDED_MODEL, publishEmbeddedExperts } from '#deploy/local/embedded-model.js';
import { DispatcherServiceService } from '#proto/zmesh/v1/dispatcher.js';
import { ExpertRegistryServiceService } from '#proto/zmesh/v1/expert_registry.js';
import { InferenceServiceService } from '#proto/zmesh/v1/inference.js';
import { prepareModel } from '#services/inference/model/prepare.js';
import { preparedFolder } from '#services/inference/model/prepared-files.js';
import { zmeshHome } from '#shared/paths.js';
import { connect, type RpcClient } from '#shared/rpc/client.js';
import { startBenchServices } from './bench-services.js';

/** One process of each service for one model. */
export interface BenchMesh {
  readonly model: string;
  readonly dispatcher: RpcClient<DispatcherServiceService>;
  readonly inference: RpcClient<InferenceServiceService>;
  readonly registry: RpcClient<ExpertRegistryServiceService>;
  /** `host:port` of inference. */
  readonly inferenceAddress: string;
  /** Process ids. */
  readonly pids: { readonly dispatcher: number; readonly inference: number };
  /** Stops everything and removes its files. */
  close(): Promise<void>;
}

/**
 * Starts a mesh for a model: octo-nano is prepared and its experts are published; another one must be prepared under
 * ZMESH_HOME and has no experts. `env` is given to every service.
 */
export async function startBenchMesh(
  model: string,
  env: NodeJS.ProcessEnv = {},
  { trainer = false }: { /** Start a trainer too. Default false. */ readonly trainer?: boolean } = {},
): Promise<BenchMesh> {
  const services = await startBenchServices();
  try {
    const folder = await modelFolder(model, services.home);
    const common = { ZMESH_NATS_URL: services.natsUrl, ...env };
    const { address: registryAddress } = await services.start('expert-registry', common);
    const withRegistry = { ...common, ZMESH_REGISTRY_ADDRESS: registryAddress };
    const registry = connect(ExpertRegistryServiceService, {
      address: registryAddress,
      unavailable: 'REGISTRY_UNAVAILABLE',
    });
    services.onClose(() => registry.close());
    const served = await services.start('inference', { ...withRegistry, ZMESH_INFERENCE_MODELS: folder });
    if (model === EMBEDDED_MODEL) await publishEmbeddedExperts(registry, AbortSignal.timeout(60_000));
    const { address } = served;
    const withInference = { ...withRegistry, ZMESH_INFERENCE_ADDRESS: address };
    const trainerAddress = trainer ? (await services.start('trainer', withInference)).address : '';
    const front = await services.start('dispatcher', {
      ...withInference,
      ...(trainer ? { ZMESH_TRAINER_ADDRESS: trainerAddress } : {}),
    });
    const inference = connect(InferenceServiceService, { address, unavailable: 'INFERENCE_UNAVAILABLE' });
    services.onClose(() => inference.close());
    const dispatcher = connect(DispatcherServiceService, { address: front.address, unavailable: 'INTERNAL' });
    services.onClose(() => dispatcher.close());
    const pids = { dispatcher: front.pid, inference: served.pid };
    return { model, dispatcher, inference, registry, inferenceAddress: address, pids, close: services.close };
  } catch (error) {
    await services.close();
    throw error;
  }
}

async function modelFolder(model: string, home: string): Promise<string> {
  if (model !== EMBEDDED_MODEL) return preparedFolder(zmeshHome(), model);
  const target = preparedFolder(home, model);
  await mkdir(target, { recursive: true });
  await prepareModel({
    checkpoint: EMBEDDED_FOLDER,
    name: model,
    target,
    adapt: 'mlp',
    replace: true,
    onEvent: () => {},
  });
  return target;
}
