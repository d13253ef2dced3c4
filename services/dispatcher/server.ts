import { ExpertRegistryServiceService } from '#proto/zmesh/v1/expert_registry.js';
import { InferenceServiceService } from '#proto/zmesh/v1/inference.js';
import { TrainerServiceService } from '#proto/zmesh/v1/trainer.js';
import { followRegistry } from '#shared/catalog/follow.js';
import { sleep } from '#shared/deadline.js';
import { ZmeshError } from '#shared/errors.js';
import { createFleet } from '#shared/fleet/fleet.js';
import { followReplicas } from '#shared/fleet/follow-replicas.js';
import { createReplicas } from '#shared/fleet/replicas.js';
import type { RunningService } from '#shared/lifecycle.js';
import type { Logger } from '#shared/log.js';
import { connect } from '#shared/rpc/client.js';
import { MESH_KEEPALIVE_MS } from '#shared/rpc/limits.js';
import { serve } from '#shared/rpc/server.js';
import type { DispatcherSettings } from './config.js';
import { createGate } from './gate.js';
import { dispatcherHandlers } from './handlers.js';
import { observeDispatcher } from './metrics.js';
import { createModels } from './models.js';

/** How long asking the registry for one name may take, milliseconds. */
const LOOK_UP_MS = 2000;

/** A dispatcher that serves. */
export interface RunningDispatcher extends RunningService {
  readonly address: string;
}

/** Connects to the mesh and serves. A registry that is away does not stop the start: what needs no expert is answered. */
export async function startDispatcher(settings: DispatcherSettings, log: Logger): Promise<RunningDispatcher> {
  const { natsUrl, affinityMargin, natsReplicas } = settings;
  const replicas = createReplicas({
    addresses: settings.inferenceAddresses,
    connect: (address) =>
      connect(InferenceServiceService, {
        address,
        unavailable: 'INFERENCE_UNAVAILABLE',
        keepaliveMs: MESH_KEEPALIVE_MS,
      }),
    log,
  });
  const inference = createFleet({ replicas, affinityMargin });
  const watch =
    natsUrl === '' ? undefined : followReplicas({ natsUrl, name: 'dispatcher', natsReplicas, replicas, log });
  const registry = connect(ExpertRegistryServiceService, {
    address: settings.registryAddresses.join(','),
    unavailable: 'REGISTRY_UNAVAILABLE',
    retried: ['getExpert'],
    keepaliveMs: MESH_KEEPALIVE_MS,
  });
  const trainer = connect(TrainerServiceService, {
    address: settings.trainerAddresses.join(','),
    unavailable: 'TRAINER_UNAVAILABLE',
    retried: ['getSearch', 'listSearches', 'watchSearch'],
    keepaliveMs: MESH_KEEPALIVE_MS,
  });
  const catalog = followRegistry({ watch: registry.watchExperts, log });
  const models = createModels({
    fetch: () => inference.listServedModels(),
    maxAgeMs: settings.modelsMaxAgeMs,
  });
  const lookUp: Lookup = async (name, options) => {
    const { expert } = await registry.getExpert({ name }, { ...options, timeoutMs: LOOK_UP_MS });
    if (!expert) throw new ZmeshError('INTERNAL', 'the registry answered without an expert');
    return expert;
  };
  const gate = createGate(settings.requestsMax);
  const stopMetrics = observeDispatcher({ replicas, catalog, gate, requestsMax: settings.requestsMax });
  const mesh = { ...settings, inference, catalog, models, lookUp, trainer };
  const close = async (): Promise<void> => {
    await Promise.all([catalog.stop(), watch?.stop(), replicas.close()]);
    registry.close();
    stopMetrics();
  };
  try {
    const wait = new AbortController();
    const known = Promise.all([catalog.first, watch?.first]);
    await Promise.race([known, sleep(settings.firstViewMs, wait.signal).catch(() => {})]);
    wait.abort();
    if (!catalog.view())
      log.warn('serving without a view of the registry: experts are unknown until it is back');
    const { host, port } = settings;
    const services = [dispatcherHandlers({ mesh, gate, settings })];
    const server = await serve({ host, port, services, log });
    return {
      address: server.address,
      async drain() {
        gate.close();
        await server.drain(settings.drainMs);
        await close();
      },
    };
  } catch (error) {
    await close();
    throw error;
  }
}

type Lookup = Parameters<typeof dispatcherHandlers>[0]['mesh']['lookUp'];
