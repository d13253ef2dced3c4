import assert from 'node:assert/strict';
import { join } from 'node:path';
import { EMBEDDED_FOLDER, EMBEDDED_MODEL, publishEmbeddedExperts } from '#deploy/local/embedded-model.js';
import { portOf } from '#deploy/local/port.js';
import { startServiceProcess } from '#deploy/local/service-process.js';
import type { Incarnation } from '#deploy/local/supervise.js';
import { DispatcherServiceService } from '#proto/zmesh/v1/dispatcher.js';
import { ExpertRegistryServiceService } from '#proto/zmesh/v1/expert_registry.js';
import { TrainerServiceService } from '#proto/zmesh/v1/trainer.js';
import { SAFE_METHODS } from '#shared/client/safe-methods.js';
import { projectRoot } from '#shared/paths.js';
import { connect, type RpcClient } from '#shared/rpc/client.js';
import type { Cleanup } from '../support/cleanup.js';
import { testHome } from '../support/mesh.js';
import { withNats } from '../support/nats.js';

/** Services, in the order in which they are started and upgraded. */
export const SERVICES = ['expert-registry', 'inference', 'trainer', 'dispatcher'] as const;
export type Service = (typeof SERVICES)[number];

const PORT_OF: Readonly<Record<Service, string>> = {
  'expert-registry': 'ZMESH_REGISTRY_PORT',
  inference: 'ZMESH_INFERENCE_PORT',
  trainer: 'ZMESH_TRAINER_PORT',
  dispatcher: 'ZMESH_DISPATCHER_PORT',
};

/** A mesh of two processes of each service, each of which can be replaced by one of another version at its address. */
export interface MixedMesh {
  /** Address of the first or second process of a service; stays the same. */
  address(service: Service, which: 0 | 1): string;
  /** Stops a process in good order and starts one of the version in `root` in its place. */
  replace(service: Service, which: 0 | 1, root: string): Promise<void>;
  /** Both dispatchers as one, tried again as our own client does. */
  readonly dispatcher: RpcClient<DispatcherServiceService>;
  /** A client of one process. */
  registryAt(which: 0 | 1): RpcClient<ExpertRegistryServiceService>;
  trainerAt(which: 0 | 1): RpcClient<TrainerServiceService>;
  dispatcherAt(which: 0 | 1): RpcClient<DispatcherServiceService>;
}

/** Starts the mesh, all of this version, with the embedded model and its experts. */
export async function startMixedMesh(t: Cleanup): Promise<MixedMesh> {
  const home = await testHome(t);
  const nats = await withNats(t);
  const imported = await home.start('dist/services/inference/import.js', [
    ...[EMBEDDED_FOLDER, '--name', EMBEDDED_MODEL],
  ]).finished;
  assert.equal(imported.code, 0, imported.err);
  const processes = new Map<Service, Incarnation[]>(SERVICES.map((service) => [service, []]));
  const addresses = (service: Service): string =>
    processes
      .get(service)!
      .map((one) => one.address!)
      .join(',');
  const start = async (service: Service, root: string, port: number): Promise<Incarnation> => {
    const env = {
      ...home.env,
      ZMESH_LOG_LEVEL: 'info',
      ZMESH_NATS_URL: nats.url,
      ZMESH_REGISTRY_ADDRESS: addresses('expert-registry'),
      ZMESH_TRAINER_ADDRESS: addresses('trainer'),
      [PORT_OF[service]]: String(port),
    };
    const entry = join(root, 'dist/services', service, 'main.js');
    const logFile = join(home.path, `${service}.log`);
    const signal = new AbortController().signal;
    return startServiceProcess({ name: service, entry, env, logFile, signal });
  };
  for (const service of SERVICES) {
    const both = await Promise.all([start(service, projectRoot, 0), start(service, projectRoot, 0)]);
    processes.get(service)!.push(...both);
  }
  t.after(async () => {
    for (const service of [...SERVICES].reverse())
      await Promise.all(processes.get(service)!.map((one) => one.stop()));
  });
  const client = <D extends object>(definition: D, address: string, retried: (keyof D & string)[] = []) => {
    const made = connect(definition, { address, unavailable: 'INFERENCE_UNAVAILABLE', retried });
    t.after(() => made.close());
    return made;
  };
  const address = (service: Service, which: 0 | 1): string => processes.get(service)![which]!.address!;
  const mesh: MixedMesh = {
    address,
    async replace(service, which, root) {
      const running = processes.get(service)!;
      const port = portOf(running[which]!.address!);
      await running[which]!.stop();
      running[which] = await start(service, root, port);
    },
    dispatcher: client(DispatcherServiceService, addresses('dispatcher'), [...SAFE_METHODS.dispatcher]),
    registryAt: (which) => client(ExpertRegistryServiceService, address('expert-registry', which)),
    trainerAt: (which) => client(TrainerServiceService, address('trainer', which)),
    dispatcherAt: (which) => client(DispatcherServiceService, address('dispatcher', which)),
  };
  await publishEmbeddedExperts(mesh.registryAt(0), AbortSignal.timeout(60_000));
  return mesh;
}
