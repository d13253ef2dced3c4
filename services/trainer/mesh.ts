import type { ExpertRegistryServiceService, ModelManifest } from '#proto/zmesh/v1/expert_registry.js';
import type { ServedModel } from '#proto/zmesh/v1/inference.js';
import { ZmeshError } from '#shared/errors.js';
import { spectralMatrices } from '#shared/experts/publish.js';
import type { Fleet } from '#shared/fleet/fleet.js';
import type { RpcClient } from '#shared/rpc/client.js';
import type { SpectralMatrix } from '#shared/svf/model.js';

/** What trainers ask of the mesh. */
export interface TrainerMesh {
  readonly inference: Fleet;
  readonly registry: RpcClient<ExpertRegistryServiceService>;
}

/** A model that can be trained. */
export interface TrainableModel {
  readonly served: ServedModel;
  readonly manifest: ModelManifest;
  /** Matrices with σ, in the manifest's order. */
  readonly matrices: readonly SpectralMatrix[];
}

const ASK_MS = 10_000;

/**
 * The model of that name (empty = the only one served), as inference serves and the registry knows it.
 * Throws UNKNOWN_MODEL, MODEL_REQUIRED, NO_CHAT_TEMPLATE, BASIS_MISMATCH, INFERENCE_UNAVAILABLE, REGISTRY_UNAVAILABLE.
 */
export async function findModel(
  { inference, registry }: TrainerMesh,
  name: string,
  signal?: AbortSignal,
): Promise<TrainableModel> {
  const { models } = await inference.listServedModels();
  const served = pick(models, name);
  if (!served.hasChatTemplate) {
    const message = `${served.name} has no chat template, which the questions of tasks are put into`;
    throw new ZmeshError('NO_CHAT_TEMPLATE', message, { names: { model: served.name } });
  }
  const options = { timeoutMs: ASK_MS, ...(signal ? { signal } : {}) };
  const { model: manifest } = await registry.getModel({ name: served.name }, options);
  if (!manifest) throw new ZmeshError('INTERNAL', `the registry sent no manifest of ${served.name}`);
  if (manifest.basisId !== served.basisId) {
    const message = `${served.name} is served with the basis ${served.basisId}, registered is ${manifest.basisId}`;
    throw new ZmeshError('BASIS_MISMATCH', message, { limit: manifest.basisId, value: served.basisId });
  }
  return { served, manifest, matrices: spectralMatrices(manifest) };
}

function pick(models: readonly ServedModel[], name: string): ServedModel {
  const [only, ...more] = name === '' ? models : models.filter((model) => model.name === name);
  const served = models.map((model) => model.name).join(', ') || 'none';
  if (!only)
    throw new ZmeshError('UNKNOWN_MODEL', `no model "${name}" is served (served: ${served})`, {
      field: 'spec.model',
      names: { model: name },
    });
  if (more.length > 0)
    throw new ZmeshError('MODEL_REQUIRED', `${models.length} models are served, name one of: ${served}`, {
      field: 'spec.model',
      value: models.length,
      limit: 1,
    });
  return only;
}
