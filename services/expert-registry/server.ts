import { ExpertRegistryServiceService } from '#proto/zmesh/v1/expert_registry.js';
import { ZmeshError } from '#shared/errors.js';
import { connectEvents } from '#shared/events/connection.js';
import { ensureExpertStream } from '#shared/events/streams.js';
import type { RunningService } from '#shared/lifecycle.js';
import type { Logger } from '#shared/log.js';
import { bind } from '#shared/rpc/bind.js';
import { serve } from '#shared/rpc/server.js';
import type { RegistrySettings } from './config.js';
import { feedView } from './feed.js';
import { createHandlers } from './handlers.js';
import { startHousekeeping } from './housekeeping.js';
import { observeRegistry } from './metrics.js';
import { createRegistry } from './registry.js';
import { startRelay } from './relay.js';
import { openJetStreamStore } from './store-jetstream.js';

/** Connects to NATS, loads the view and serves. */
export async function startRegistry(settings: RegistrySettings, log: Logger): Promise<RunningService> {
  const connection = await connectEvents({ url: settings.natsUrl, name: 'expert-registry', log });
  await ensureExpertStream(connection, settings.natsReplicas);
  const store = await openJetStreamStore(connection, settings.natsReplicas);
  const registry = createRegistry({ store, maxVectorsBytes: settings.maxVectorsBytes });
  const feed = feedView(store, registry.view, log);
  await feed.loaded;
  const stopMetrics = observeRegistry(registry.view);
  const relay = startRelay(connection, registry.view, log);
  const housekeeping = startHousekeeping(registry, settings, log);

  const draining = new AbortController();
  const handlers = createHandlers(registry, draining.signal);
  const server = await serve({
    host: settings.host,
    port: settings.port,
    services: [bind(ExpertRegistryServiceService, handlers)],
    log,
  });
  return {
    address: server.address,
    async drain() {
      draining.abort(new ZmeshError('DRAINING', 'the registry is draining', { retryAfterMs: 0 }));
      await server.drain(settings.drainMs);
      await housekeeping.stop();
      await relay.stop();
      await feed.stop();
      await connection.close();
      stopMetrics();
    },
  };
}
