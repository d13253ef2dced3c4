import assert from 'node:assert/strict';
import { readRun } from '#deploy/local/run-file.js';
import { DispatcherServiceService } from '#proto/zmesh/v1/dispatcher.js';
import { ExpertRegistryServiceService } from '#proto/zmesh/v1/expert_registry.js';
import { InferenceServiceService } from '#proto/zmesh/v1/inference.js';
import { TrainerServiceService } from '#proto/zmesh/v1/trainer.js';
import type { Reason } from '#shared/errors.js';
import { connect, type RpcClient } from '#shared/rpc/client.js';
import type { Cleanup } from '../support/cleanup.js';
import { eventually, testHome } from '../support/mesh.js';

export type DispatcherClient = RpcClient<DispatcherServiceService>;
export type RegistryClient = RpcClient<ExpertRegistryServiceService>;
export type InferenceClient = RpcClient<InferenceServiceService>;
export type TrainerClient = RpcClient<TrainerServiceService>;

/** Kinds of processes of a mesh. */
export const KINDS = ['dispatcher', 'expert-registry', 'inference', 'trainer', 'nats-server'] as const;
export type Kind = (typeof KINDS)[number];

/** One process of the mesh, as the run file has it. */
export interface MeshProcess {
  readonly name: string;
  readonly pid: number;
  readonly address: string;
}

/** A mesh of real processes that `zmesh up` keeps alive. */
export interface ChaosMesh {
  /** All dispatchers, registries and trainers, as one client each: calls go round robin over those that are up. */
  readonly dispatcher: DispatcherClient;
  readonly registry: RegistryClient;
  readonly trainer: TrainerClient;
  /** The present processes of a kind. */
  processes(kind: Kind): readonly MeshProcess[];
  /** Process id of `zmesh up`, which keeps the others alive and stores traces. */
  runner(): number;
  /** A client of one process alone; closed in the end. */
  dispatcherAt(address: string): DispatcherClient;
  registryAt(address: string): RegistryClient;
  inferenceAt(address: string): InferenceClient;
  trainerAt(address: string): TrainerClient;
  /**
   * Starts one more service with these settings, which the runner does not keep; its address and process. `root` is the
   * folder of the version that it is of, from the project's; default the project itself.
   */
  start(
    service: 'dispatcher' | 'inference' | 'trainer',
    env: Readonly<Record<string, string>>,
    root?: string,
  ): Promise<MeshProcess>;
  /** Kills a process with SIGKILL and resolves with its successor when the runner has started it again. */
  kill(victim: MeshProcess): Promise<MeshProcess>;
}

const START_AGAIN_MS = 30_000;
/** A busy machine starts a service slowly. */
const READY_LIMIT_MS = 120_000;
const POLL_MS = 20;

/** Starts a mesh with so many replicas of each service; it goes away in the end. */
export async function startChaosMesh(
  t: Cleanup,
  options: { readonly replicas: number; readonly env?: Readonly<Record<string, string>> },
): Promise<ChaosMesh> {
  const home = await testHome(t);
  Object.assign(home.env, { ZMESH_LOG_LEVEL: 'warn', ...options.env });
  const counts = ['inference', 'dispatcher', 'registry', 'trainer'].map(
    (name) => `${name}=${options.replicas}`,
  );
  // Before the start, which may be broken off half-way.
  t.after(async () => void (await home.zmesh('down')));
  const { code, err } = await home.zmesh('up', '--detach', '--replicas', counts.join(','));
  assert.equal(code, 0, err);
  const processes = (kind: Kind): readonly MeshProcess[] =>
    (readRun(home.path)?.processes ?? [])
      .filter(({ name }) => name === kind || name.startsWith(`${kind}-`))
      .map(({ name, pid, address }) => ({ name, pid, address: address ?? '' }));
  const together = (kind: Kind): string =>
    processes(kind)
      .map(({ address }) => address)
      .join(',');
  const clients = new Map<string, { close(): void }>();
  const clientAt = <D extends object>(definition: D, address: string, unavailable: Reason): RpcClient<D> => {
    const known = clients.get(address) as RpcClient<D> | undefined;
    if (known) return known;
    const client = connect(definition, { address, unavailable });
    clients.set(address, client);
    t.after(() => client.close());
    return client;
  };
  const dispatcherAt = (address: string) =>
    clientAt(DispatcherServiceService, address, 'DISPATCHER_UNAVAILABLE');
  const registryAt = (address: string) =>
    clientAt(ExpertRegistryServiceService, address, 'REGISTRY_UNAVAILABLE');
  const trainerAt = (address: string) => clientAt(TrainerServiceService, address, 'TRAINER_UNAVAILABLE');
  return {
    dispatcher: dispatcherAt(together('dispatcher')),
    registry: registryAt(together('expert-registry')),
    trainer: trainerAt(together('trainer')),
    processes,
    runner: () => readRun(home.path)!.pid,
    dispatcherAt,
    registryAt,
    trainerAt,
    inferenceAt: (address) => clientAt(InferenceServiceService, address, 'INFERENCE_UNAVAILABLE'),
    async start(name, env, root = '') {
      const running = home.start(`${root === '' ? '' : `${root}/`}dist/services/${name}/main.js`, [], {
        ZMESH_NATS_URL: processes('nats-server')[0]!.address,
        ZMESH_REGISTRY_ADDRESS: together('expert-registry'),
        ZMESH_LOG_LEVEL: 'info',
        ...env,
      });
      t.after(async () => {
        running.child.kill('SIGTERM');
        await running.finished;
      });
      const ready = (): string | undefined => /"address":"([^"]+)","msg":"ready"/.exec(running.err())?.[1];
      await eventually(
        `${name} is ready`,
        () => ready() !== undefined || running.child.exitCode !== null,
        READY_LIMIT_MS,
      );
      assert.ok(ready(), running.err());
      return { name, pid: running.child.pid!, address: ready()! };
    },
    async kill({ name, pid }) {
      process.kill(pid, 'SIGKILL');
      const giveUp = performance.now() + START_AGAIN_MS;
      for (;;) {
        const next = readRun(home.path)?.processes.find((one) => one.name === name);
        if (next && next.pid !== pid) return { ...next, address: next.address ?? '' };
        assert.ok(performance.now() < giveUp, `${name} was not started again within ${START_AGAIN_MS} ms`);
        await new Promise((go) => setTimeout(go, POLL_MS));
      }
    },
  };
}
