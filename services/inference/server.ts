import { ExpertRegistryServiceService } from '#proto/zmesh/v1/expert_registry.js';
import type { ZmeshError } from '#shared/errors.js';
import type { Logger } from '#shared/log.js';
import { zmeshHome } from '#shared/paths.js';
import { connect } from '#shared/rpc/client.js';
import { MESH_KEEPALIVE_MS } from '#shared/rpc/limits.js';
import { serve } from '#shared/rpc/server.js';
import { type InferenceSettings, SETTINGS } from './config.js';
import { ExpertCache } from './experts.js';
import { followExperts } from './follow-experts.js';
import { inferenceHandlers } from './handlers.js';
import { type LoadedModel, loadModel } from './load-model.js';
import { MemoryBudget } from './memory-budget.js';
import { observeInference } from './metrics.js';
import { createPreload, type Preload } from './preload.js';
import { preloadName } from './preload-name.js';
import { advertisedAddress, announce } from './presence.js';
import { publishManifest } from './publish-manifest.js';
import { listExperts, noSource, type RegistryClient, registrySource } from './registry-source.js';
import { flushDenormals } from './runtime/denormals.js';
import { servedModels } from './served-model.js';

/** A running inference service. */
export interface InferenceServer {
  /** `host:port`. */
  readonly address: string;
  /** Resolves if an engine stops by itself; the process should then end, so that it is started again. */
  readonly stopped: Promise<ZmeshError>;
  /** Takes no new requests, lets running ones finish within the setting, frees everything. */
  drain(): Promise<void>;
}

/** Loads the models, starts their engines, publishes their manifests, and serves. */
export async function startInference(
  settings: InferenceSettings,
  log: Logger,
  env: NodeJS.ProcessEnv = process.env,
): Promise<InferenceServer> {
  await flushDenormals();
  const registryAddress = settings.registryAddresses.join(',');
  const registry =
    registryAddress === ''
      ? null
      : connect(ExpertRegistryServiceService, {
          address: registryAddress,
          unavailable: 'REGISTRY_UNAVAILABLE',
          retried: ['getExpertVectors', 'listExperts'],
          keepaliveMs: MESH_KEEPALIVE_MS,
        });
  const source = registry ? registrySource(registry, settings.registryTimeoutMs) : noSource;
  const experts = new ExpertCache(source, settings.expertMaxBytes);
  const home = zmeshHome(env);
  const budget = new MemoryBudget(settings.memoryBytes);
  const loaded: LoadedModel[] = [];
  for (const which of settings.models) {
    const model = await loadModel(which, { home, settings, experts, budget });
    loaded.push(model);
    const { name, fingerprint } = model.prepared;
    const { pageCount, pageTokens, weightBytes } = model.engine.info;
    log.info({ model: name, fingerprint, kvTokens: pageCount * pageTokens, weightBytes }, 'model loaded');
  }
  const models = servedModels(loaded);
  const stopMetrics = observeInference(models.all, experts);

  const ending = new AbortController();
  const { signal } = ending;
  if (registry) await Promise.all(loaded.map((model) => publishManifest(registry, model, { log, signal })));
  const names = loaded.map(({ prepared }) => prepared.name);
  const { natsUrl, host, port, drainMs, promptBytesMax } = settings;
  const preload = registry
    ? preloadFor(settings, registry, { experts, models: names, log, signal })
    : undefined;
  await preload?.start();
  const following =
    natsUrl === '' ? undefined : followExperts({ natsUrl, experts, models: names, preload, log, signal });
  const services = [inferenceHandlers({ models, promptBytesMax })];
  const server = await serve({ host, port, services, log });
  const address = advertisedAddress(settings.advertise, server.address);
  const announcement = { natsUrl, address, replicas: settings.natsReplicas, models, experts, log };
  const presence = natsUrl === '' ? undefined : await announce(announcement);
  const stopped = Promise.race(loaded.map(({ engine }) => engine.stopped));
  void stopped.then(() => {
    server.setServing(false);
    void presence?.leave();
  });
  return {
    address: server.address,
    stopped,
    async drain() {
      // Both first, so that others are chosen before calls are refused here.
      server.setServing(false);
      await presence?.leave();
      ending.abort();
      await server.drain(drainMs);
      await Promise.all(loaded.flatMap(({ engine, gradients }) => [engine.drain(), gradients.drain()]));
      await following;
      registry?.close();
      stopMetrics();
    },
  };
}

function preloadFor(
  settings: InferenceSettings,
  registry: RegistryClient,
  parts: Omit<Parameters<typeof createPreload>[0], 'names' | 'list'>,
): Preload | undefined {
  if (settings.preload.length === 0) return undefined;
  return createPreload({
    ...parts,
    names: settings.preload.map((name) => preloadName(name, SETTINGS.preload.env)),
    list: (model, signal) => listExperts(registry, model, { timeoutMs: settings.registryTimeoutMs, signal }),
  });
}
