import { EMBEDDED_MODEL } from '#deploy/local/embedded-model.js';
import { JobState } from '#proto/zmesh/v1/adaptation.js';
import { TrainerServiceService } from '#proto/zmesh/v1/trainer.js';
import { connect } from '#shared/rpc/client.js';
import type { Cleanup } from '../support/cleanup.js';
import type { Services } from './campaign.js';
import { type Canary, startCanary } from './canary.js';
import { type Facts, publishFacts, registryClient } from './facts.js';
import { type Ground, prepareGround, STRICT, TOKENS_ONLY } from './mesh.js';
import { RUN_REQUEST, RUN_SPEC } from './seeds-trainer.js';

/** A mesh to be treated badly. */
export interface HostileMesh {
  readonly ground: Ground;
  readonly services: Services;
  readonly facts: Facts;
  readonly canary: Canary;
}

const MIB = 1024 * 1024;

/** Small caches, so that they are full before memory is compared. */
const CACHES = {
  ZMESH_INFERENCE_KV_BYTES: String(64 * MIB),
  ZMESH_INFERENCE_PREFIX_BYTES: String(8 * MIB),
  ZMESH_INFERENCE_EXPERT_BYTES: String(4 * MIB),
  ZMESH_INFERENCE_SPECTRUM_BYTES: String(4 * MIB),
} as const;

/** Starts registry, inference (three models), trainer and dispatcher as processes and publishes what hostile callers may know. */
export async function startHostileMesh(t: Cleanup): Promise<HostileMesh> {
  const ground = await prepareGround(t);
  const registry = await ground.start('expert-registry', {});
  const inference = await ground.start('inference', {
    ...CACHES,
    ZMESH_REGISTRY_ADDRESS: registry.address,
    ZMESH_INFERENCE_MODELS: [EMBEDDED_MODEL, TOKENS_ONLY, STRICT].join(','),
  });
  const client = registryClient(registry.address);
  t.after(() => client.close());
  const published = await publishFacts(client);
  const trainer = await ground.start('trainer', {
    ZMESH_REGISTRY_ADDRESS: registry.address,
    ZMESH_INFERENCE_ADDRESS: inference.address,
  });
  const facts = { ...published, run: await finishedRun(trainer.address) };
  const dispatcher = await ground.start('dispatcher', {
    ZMESH_REGISTRY_ADDRESS: registry.address,
    ZMESH_INFERENCE_ADDRESS: inference.address,
    ZMESH_TRAINER_ADDRESS: trainer.address,
  });
  const canary = await startCanary(dispatcher.address);
  t.after(() => canary.close());
  return { ground, services: { dispatcher, 'expert-registry': registry, inference, trainer }, facts, canary };
}

/** Runs the one small training run that hostile callers know of; its id. */
async function finishedRun(address: string): Promise<string> {
  const client = connect(TrainerServiceService, { address, unavailable: 'TRAINER_UNAVAILABLE' });
  try {
    const { run } = await client.startRun({ requestId: RUN_REQUEST, spec: RUN_SPEC });
    const { id } = run!;
    let state: JobState | undefined;
    for await (const { event } of client.watchRun({ id, afterSequence: 0n })) state = event?.run?.state;
    if (state !== JobState.SUCCEEDED) throw new Error(`the run ${id} ended in state ${state}`);
    return id;
  } finally {
    client.close();
  }
}
