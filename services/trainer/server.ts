import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import { ExpertRegistryServiceService } from '#proto/zmesh/v1/expert_registry.js';
import { InferenceServiceService } from '#proto/zmesh/v1/inference.js';
import { Advice } from '#proto/zmesh/v1/trainer.js';
import { followRegistry } from '#shared/catalog/follow.js';
import { ZmeshError } from '#shared/errors.js';
import { connectEvents } from '#shared/events/connection.js';
import { createFleet } from '#shared/fleet/fleet.js';
import { followReplicas } from '#shared/fleet/follow-replicas.js';
import { createReplicas } from '#shared/fleet/replicas.js';
import type { RunningService } from '#shared/lifecycle.js';
import type { Logger } from '#shared/log.js';
import { connect } from '#shared/rpc/client.js';
import { MESH_KEEPALIVE_MS } from '#shared/rpc/limits.js';
import { serve } from '#shared/rpc/server.js';
import { openScorer } from '#shared/tasks/scorer.js';
import { adviceOn } from './advise.js';
import type { TrainerSettings } from './config.js';
import { createDrafts } from './drafts.js';
import { trainerHandlers } from './handlers.js';
import { inferenceTrials } from './inference-trials.js';
import { openJobEvents } from './jobs/events-jetstream.js';
import { startJanitor } from './jobs/janitor.js';
import { openJobQueue } from './jobs/queue-jetstream.js';
import { openJobStore } from './jobs/store-jetstream.js';
import { followJobs } from './jobs/view.js';
import { startWorker } from './jobs/worker.js';
import { createRunMeter } from './measure-steps.js';
import { findModel, type TrainerMesh } from './mesh.js';
import { observeTrainer } from './observe.js';
import { openRewards } from './rewards.js';
import { runWork } from './run-job.js';
import { runEnd } from './run-view.js';
import { inferenceSearch } from './search/inference-search.js';
import { searchWork } from './search/search-job.js';
import { searchEnd } from './search/search-view.js';

/** How much more work than the least busy replica one may have and still be preferred: training fills them all. */
const AFFINITY_MARGIN = 0;

/** Connects to NATS and the mesh, serves, and works on jobs. */
export async function startTrainer(settings: TrainerSettings, log: Logger): Promise<RunningService> {
  const trainer = `${hostname()}-${process.pid}-${randomUUID().slice(0, 8)}`;
  const { natsUrl, natsReplicas, eventHours, keepDays, jobsMax, dataBytesMax } = settings;
  const connection = await connectEvents({ url: natsUrl, name: 'trainer', log });
  const store = await openJobStore(connection, natsReplicas);
  const queue = await openJobQueue(connection, natsReplicas);
  const events = await openJobEvents(connection, { replicas: natsReplicas, keepHours: eventHours });
  const view = followJobs(store);
  await view.loaded;
  const { mesh, drafts, close } = connectMesh(settings, log);

  const draining = new AbortController();
  const desk = { store, queue, view, events, changes: { run: runEnd, adaptation: searchEnd } };
  const { routedAlias } = settings;
  const handlers = trainerHandlers({
    desk,
    mesh,
    dataBytesMax,
    routedAlias,
    draining: draining.signal,
  });
  const server = await serve({ host: settings.host, port: settings.port, services: [handlers], log });
  const meter = createRunMeter();
  const runs = runWork({
    meter,
    registry: mesh.registry,
    dataBytesMax,
    async open(run, data, { onTokens, signal }) {
      const model = await findModel(mesh, run.model, signal);
      const { rolloutsMax, gradientSequences, callTimeoutMs } = settings;
      const limits = { rolloutsMax, gradientSequences, callTimeoutMs };
      const rewards = await openRewards(run, data);
      const trials = inferenceTrials({ mesh, drafts, model, rewards, onTokens, ...limits });
      return { model, trials, close: () => rewards.close() };
    },
  });
  const searches = searchWork({
    registry: mesh.registry,
    async open(name, items, signal) {
      const model = await findModel(mesh, name, signal);
      const { rolloutsMax, callTimeoutMs } = settings;
      const scorer = await openScorer(items);
      const trials = inferenceSearch({ mesh, model, items, scorer, rolloutsMax, callTimeoutMs });
      return { model, trials, close: () => scorer.close() };
    },
  });
  const works = { run: runs, adaptation: searches };
  const worker = startWorker({ store, queue, events, view, trainer, works, jobsMax, log });
  const stopMetrics = observeTrainer({ view, worker, meter });
  const catalog = followRegistry({
    watch: mesh.registry.watchExperts,
    log,
    onChange(event, known) {
      for (const { kind, advice } of adviceOn(event, known, routedAlias)) {
        log.info({ subject: advice.subject, why: advice.why }, 'advice');
        const id = `${advice.subject}-${advice.revision}`;
        void events
          .advise(kind, { model: advice.model, id }, Advice.encode(advice).finish())
          .catch((err: unknown) => log.warn({ err }, 'advice could not be published'));
      }
    },
  });
  const janitor = startJanitor({ ...desk, keepDays, log });
  log.info({ trainer, jobsMax }, 'taking jobs');
  return {
    address: server.address,
    async drain() {
      server.setServing(false);
      draining.abort(new ZmeshError('DRAINING', 'the trainer is draining', { retryAfterMs: 0 }));
      await worker.stop();
      await janitor.stop();
      await catalog.stop();
      await server.drain(settings.drainMs);
      await close();
      await view.stop();
      await connection.close();
      stopMetrics();
    },
  };
}

function connectMesh(settings: TrainerSettings, log: Logger) {
  const drafts = createDrafts();
  const replicas = createReplicas({
    addresses: settings.inferenceAddresses,
    connect: (address) =>
      drafts.loading(
        connect(InferenceServiceService, {
          address,
          unavailable: 'INFERENCE_UNAVAILABLE',
          keepaliveMs: MESH_KEEPALIVE_MS,
        }),
      ),
    log,
  });
  const { natsUrl, natsReplicas } = settings;
  const watch = followReplicas({ natsUrl, name: 'trainer', natsReplicas, replicas, log });
  const registry = connect(ExpertRegistryServiceService, {
    address: settings.registryAddresses.join(','),
    unavailable: 'REGISTRY_UNAVAILABLE',
    retried: ['getModel', 'getExpert', 'getExpertVectors', 'listExperts'],
    keepaliveMs: MESH_KEEPALIVE_MS,
  });
  const mesh: TrainerMesh = {
    inference: createFleet({ replicas, affinityMargin: AFFINITY_MARGIN }),
    registry,
  };
  return {
    mesh,
    drafts,
    async close() {
      await Promise.all([watch.stop(), replicas.close()]);
      registry.close();
    },
  };
}
