import { Normalisation } from '#proto/zmesh/v1/common.js';
import {
  ExpertKind,
  ExpertRegistryServiceService,
  type ExpertSpec,
  type ModelManifest,
} from '#proto/zmesh/v1/expert_registry.js';
import { feedView } from '#services/expert-registry/feed.js';
import { createHandlers } from '#services/expert-registry/handlers.js';
import { createRegistry, type Registry } from '#services/expert-registry/registry.js';
import { startRelay } from '#services/expert-registry/relay.js';
import type { RegistryStore } from '#services/expert-registry/store.js';
import { openJetStreamStore } from '#services/expert-registry/store-jetstream.js';
import { ZmeshError } from '#shared/errors.js';
import { connectEvents, type EventConnection } from '#shared/events/connection.js';
import { ensureExpertStream } from '#shared/events/streams.js';
import { bind } from '#shared/rpc/bind.js';
import { connect, type RpcClient } from '#shared/rpc/client.js';
import { serve } from '#shared/rpc/server.js';
import { writeVectors } from '#shared/svf/vectors.js';
import { createFixtureLog } from './log.js';

export type RegistryClient = RpcClient<typeof ExpertRegistryServiceService>;

/** A registry in this process on a real nats-server, and a client that speaks gRPC to it. */
export interface TestRegistry {
  readonly client: RegistryClient;
  readonly registry: Registry;
  readonly connection: EventConnection;
  readonly address: string;
  stop(): Promise<void>;
}

/** Starts a registry as main does, with a small limit for vectors (64 KiB); `wrap` may stand between it and its store. */
export async function startRegistry(
  url: string,
  options: { readonly wrap?: (store: RegistryStore) => RegistryStore; readonly relay?: boolean } = {},
): Promise<TestRegistry> {
  const log = createFixtureLog();
  const connection = await connectEvents({ url, name: 'test-registry', log });
  await ensureExpertStream(connection);
  const store = (options.wrap ?? ((inner) => inner))(await openJetStreamStore(connection, 1));
  const registry = createRegistry({ store, maxVectorsBytes: 64 * 1024 });
  const feed = feedView(store, registry.view, log);
  await feed.loaded;
  const relay = options.relay === false ? undefined : startRelay(connection, registry.view, log);
  const draining = new AbortController();
  const services = [bind(ExpertRegistryServiceService, createHandlers(registry, draining.signal))];
  const server = await serve({ host: '127.0.0.1', port: 0, services, log });
  const client = connect(ExpertRegistryServiceService, {
    address: server.address,
    unavailable: 'REGISTRY_UNAVAILABLE',
  });
  return {
    client,
    registry,
    connection,
    address: server.address,
    async stop() {
      draining.abort(new ZmeshError('DRAINING', 'the registry is draining'));
      client.close();
      await server.drain(1000);
      await relay?.stop();
      await feed.stop();
      await connection.close();
    },
  };
}

export const FINGERPRINT = 'ab'.repeat(32);
export const BASIS = `${FINGERPRINT}:f64-1`;

/** σ as the wire has it: f64 little-endian, falling. */
export function sigma(...values: number[]): Uint8Array {
  const bytes = Buffer.alloc(values.length * 8);
  values.forEach((value, i) => {
    bytes.writeDoubleLE(value, i * 8);
  });
  return bytes;
}

/** A model of three linears: two decomposed (ranks 3 and 2), `lm_head` listed without σ. */
export function toyModel(change: Partial<ModelManifest> = {}): ModelManifest {
  return {
    name: 'toy',
    fingerprint: FINGERPRINT,
    basisId: BASIS,
    architecture: 'llama',
    parameters: 42n,
    matrices: [
      { name: 'up.weight', rows: 4, columns: 3, singularValues: sigma(3, 2, 1) },
      { name: 'down.weight', rows: 2, columns: 5, singularValues: sigma(2, 0.5) },
      { name: 'lm_head.weight', rows: 7, columns: 4, singularValues: new Uint8Array() },
    ],
    ...change,
  };
}

export function spec(change: Partial<ExpertSpec> = {}): ExpertSpec {
  return {
    model: 'toy',
    name: 'math',
    basisId: BASIS,
    normalisation: Normalisation.NONE,
    kind: ExpertKind.TASK,
    label: 'math',
    description: 'sums and products',
    metadata: { trainer: 'by hand' },
    mixture: undefined,
    categories: [],
    ...change,
  };
}

/** A vectors file; by default both decomposed matrices, told apart by `seed`. */
export function vectors(seed = 1, change: Record<string, number[]> = {}): Uint8Array {
  const all: Record<string, number[]> = { 'up.weight': [seed, 1, 0.5], 'down.weight': [0, seed], ...change };
  return writeVectors(
    new Map(Object.entries(all).map(([name, values]) => [name, Float32Array.from(values)])),
  );
}

/** A vectors file with these vectors only. */
export function onlyVectors(all: Record<string, number[]>): Uint8Array {
  return writeVectors(
    new Map(Object.entries(all).map(([name, values]) => [name, Float32Array.from(values)])),
  );
}

/** The version a publish gave. */
export async function published(
  client: RegistryClient,
  seed: number,
  change: Partial<ExpertSpec> = {},
  alias = '',
): Promise<string> {
  const { expert } = await client.publishExpert({ spec: spec(change), vectors: vectors(seed), alias });
  return expert!.version;
}

/** All of a stream. */
export async function collect<T>(stream: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of stream) all.push(item);
  return all;
}
