import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import { DispatcherServiceService, GenerateRequest } from '#proto/zmesh/v1/dispatcher.js';
import type { RegistryEvent } from '#proto/zmesh/v1/events.js';
import { ExpertRegistryServiceService } from '#proto/zmesh/v1/expert_registry.js';
import { sleep } from '#shared/deadline.js';
import { ZmeshError } from '#shared/errors.js';
import { connectEvents, type EventConnection } from '#shared/events/connection.js';
import { consumeExpertEvents } from '#shared/events/expert-events.js';
import { createLog } from '#shared/log.js';
import { connect, type RpcClient } from '#shared/rpc/client.js';
import { collect, spec, toyModel, vectors } from '../contract/registry/fixture.js';
import { lastFirst } from '../support/cleanup.js';
import { freePorts } from '../support/free-port.js';
import { eventually, testHome } from '../support/mesh.js';
import { withNatsCluster } from '../support/nats-cluster.js';

// Three nats-servers, every stream in three copies, and the mesh on top as processes of its own. The node that leads the
// registry's records is killed with -9 under publishes and questions, then the one that leads the announcements of replicas.
const RECORDS = 'KV_zmesh_registry';
const PRESENCES = 'KV_ZMESH_INFERENCE';
const STREAMS = [RECORDS, 'OBJ_zmesh_registry_blobs', 'ZMESH_EXPERTS', PRESENCES];
/** A new leader is elected within ten seconds; then things go on. */
const FAILOVER_MS = 20_000;

const cleanup = lastFirst({ after });
const home = await testHome(cleanup);
const cluster = await withNatsCluster(cleanup, { path: home.env.ZMESH_NATS_SERVER!, size: 3 });
const [registryPort = 0, otherPort = 0, inferencePort = 0, dispatcherPort = 0] = await freePorts(4);
const registries = `127.0.0.1:${registryPort},127.0.0.1:${otherPort}`;
const common = { ZMESH_NATS_URL: cluster.url, ZMESH_NATS_REPLICAS: '3', OTEL_SDK_DISABLED: 'true' };

type Registry = RpcClient<ExpertRegistryServiceService>;

async function startMesh(): Promise<void> {
  const start = (name: string, env: NodeJS.ProcessEnv) =>
    home.start(`dist/services/${name}/main.js`, [], { ...common, ...env });
  const imported = home.start('dist/services/inference/import.js', ['models/octo-nano']).finished;
  for (const port of [registryPort, otherPort])
    start('expert-registry', { ZMESH_REGISTRY_PORT: String(port) });
  await healthy(registryPort);
  await healthy(otherPort);
  assert.equal((await imported).code, 0);
  start('inference', {
    ZMESH_INFERENCE_PORT: String(inferencePort),
    ZMESH_REGISTRY_ADDRESS: registries,
  });
  await healthy(inferencePort);
  const experts = home.start('dist/deploy/local/publish-embedded.js', [], {
    ZMESH_REGISTRY_ADDRESS: registries,
  });
  assert.equal((await experts.finished).code, 0);
  start('dispatcher', {
    ZMESH_DISPATCHER_PORT: String(dispatcherPort),
    ZMESH_REGISTRY_ADDRESS: registries,
  });
  await healthy(dispatcherPort);
}

async function healthy(port: number): Promise<void> {
  for (const giveUp = Date.now() + 30_000; ; ) {
    const { code, out } = await home.zmesh('health', `127.0.0.1:${port}`);
    if (code === 0) return;
    assert.ok(Date.now() < giveUp, `port ${port} is not healthy: ${out}`);
  }
}

/** Publishes one version after another until told to stop; a refusal is asked again, as every publish may be. */
async function publishing(client: Registry, acknowledged: string[], signal: AbortSignal): Promise<void> {
  for (let seed = 1; !signal.aborted; ) {
    try {
      const publication = { spec: spec({ name: 'fire' }), vectors: vectors(seed), alias: 'stable' };
      const { expert } = await client.publishExpert(publication, { timeoutMs: FAILOVER_MS });
      acknowledged.push(expert!.version);
      seed += 1;
    } catch (error) {
      const { reason, message } = ZmeshError.from(error);
      assert.equal(reason, 'REGISTRY_UNAVAILABLE', message);
    }
    await sleep(20, signal).catch(() => {});
  }
}

/** Asks one question after another, routed by the classifier; counts what went wrong. */
async function asking(
  tally: { answered: number; readonly failures: string[] },
  signal: AbortSignal,
): Promise<void> {
  const dispatcher = connect(DispatcherServiceService, {
    address: `127.0.0.1:${dispatcherPort}`,
    unavailable: 'INTERNAL',
  });
  const messages = [{ role: 'user', content: 'Mia has 112 cards and buys 330 more. How many cards now?' }];
  const request = GenerateRequest.create({
    prompt: { input: { $case: 'chat', value: { messages } } },
    strategy: { kind: { $case: 'classifier', value: {} } },
  });
  while (!signal.aborted) {
    try {
      const { receipt } = await dispatcher.complete({ request }, { timeoutMs: 10_000 });
      assert.match(receipt?.arms[0]?.expert ?? '', /^octo-nano\/math@/);
      tally.answered += 1;
    } catch (error) {
      const { reason, message } = ZmeshError.from(error);
      tally.failures.push(`${reason}: ${message}`);
    }
    await sleep(50, signal).catch(() => {});
  }
  dispatcher.close();
}

async function leaderOf(connection: EventConnection, stream: string): Promise<string> {
  for (const giveUp = Date.now() + FAILOVER_MS; ; await sleep(100)) {
    const info = await connection.jsm.streams.info(stream).catch(() => undefined);
    if (info?.cluster?.leader) return info.cluster.leader;
    assert.ok(Date.now() < giveUp, `${stream} has no leader`);
  }
}

/** Kills the leader of a stream, waits until `more` publishes were acknowledged, starts it again and waits until it caught up. */
async function killLeader(
  connection: EventConnection,
  { stream, acknowledged }: { readonly stream: string; readonly acknowledged: readonly string[] },
): Promise<{ readonly name: string; readonly refusedMs: number }> {
  const name = await leaderOf(connection, stream);
  const node = cluster.nodes.find((one) => one.name === name)!;
  const before = acknowledged.length;
  await node.kill();
  const killedMs = performance.now();
  await eventually('publishes go on without the node', () => acknowledged.length > before + 1, FAILOVER_MS);
  const refusedMs = performance.now() - killedMs;
  await node.restart();
  for (const name of STREAMS) await caughtUp(connection, name);
  return { name, refusedMs };
}

async function caughtUp(connection: EventConnection, stream: string): Promise<void> {
  for (const giveUp = Date.now() + FAILOVER_MS; ; await sleep(100)) {
    const info = await connection.jsm.streams.info(stream).catch(() => undefined);
    const replicas = info?.cluster?.replicas ?? [];
    if (info?.cluster?.leader && replicas.length === 2 && replicas.every(({ current }) => current)) return;
    assert.ok(Date.now() < giveUp, `${stream}: ${JSON.stringify(info?.cluster)}`);
  }
}

describe('a mesh on a cluster of three nats-servers', () => {
  it('loses nothing acknowledged, goes on serving and watching, when the leading node is killed with -9', async (t) => {
    await startMesh();
    const log = createLog('test', { ZMESH_LOG_LEVEL: 'silent' });
    const connection = await connectEvents({ url: cluster.url, name: 'test', log });
    cleanup.after(() => connection.close());
    for (const stream of STREAMS) {
      const { config } = await connection.jsm.streams.info(stream);
      assert.equal(config.num_replicas, 3, stream);
    }
    const [client, other] = [registryPort, otherPort].map((port) =>
      connect(ExpertRegistryServiceService, {
        address: `127.0.0.1:${port}`,
        unavailable: 'REGISTRY_UNAVAILABLE',
      }),
    ) as [Registry, Registry];
    await client.publishModel({ model: toyModel() });

    const stopping = new AbortController();
    const { signal } = stopping;
    cleanup.after(() => stopping.abort());
    const acknowledged: string[] = [];
    const tally = { answered: 0, failures: [] as string[] };
    const watched: RegistryEvent[] = [];
    const events: RegistryEvent[] = [];
    const watching = (async () => {
      for await (const { event } of other.watchExperts({ model: '', afterRevision: 0n }, { signal }))
        if (event) watched.push(event);
    })().catch((error: unknown) => assert.ok(signal.aborted, String(error)));
    const reading = consumeExpertEvents(connection, {
      after: 0,
      signal,
      onEvent: (event) => void events.push(event),
    });
    const loading = new AbortController();
    cleanup.after(() => loading.abort());
    const published = publishing(client, acknowledged, loading.signal);
    const asked = asking(tally, loading.signal);
    await eventually('publishes and questions flow', () => acknowledged.length > 5 && tally.answered > 5);

    for (const stream of [RECORDS, PRESENCES]) {
      const { name, refusedMs } = await killLeader(connection, { stream, acknowledged });
      t.diagnostic(`${stream}: ${name} killed, the second publish ${(refusedMs / 1000).toFixed(1)} s later`);
    }
    const answered = tally.answered;
    await eventually('questions go on', () => tally.answered > answered + 5);
    const last = acknowledged.length;
    await eventually('publishes go on', () => acknowledged.length > last + 5, FAILOVER_MS);
    loading.abort();
    await Promise.all([published, asked]);
    const final = acknowledged.at(-1)!;
    const has = (all: readonly RegistryEvent[]): boolean => versionsOf(all).includes(final);
    await eventually('the watch and the events see it', () => has(watched) && has(events));
    stopping.abort();
    await Promise.all([watching, reading]);

    t.diagnostic(`${acknowledged.length} publishes acknowledged, ${tally.answered} questions answered`);
    assert.deepEqual(tally.failures, []);
    for (const version of acknowledged) {
      const { expert } = await other.getExpertVectors({ name: `toy/fire@${version}` });
      assert.equal(expert!.version, version);
    }
    assert.equal((await collect(client.verifyRegistry({}))).at(-1)!.faults, 0n);
    for (const [what, all] of [
      ['the watch', watched],
      ['the stream of events', events],
    ] as const) {
      const versions = versionsOf(all);
      assert.equal(new Set(versions).size, versions.length, `${what}: each change once`);
      const missing = acknowledged.filter((version) => !versions.includes(version));
      assert.deepEqual(
        missing.map((version) => acknowledged.indexOf(version)),
        [],
        `${what} lacks some`,
      );
      const revisions = all.map(({ revision }) => Number(revision));
      assert.deepEqual(
        revisions,
        [...revisions].sort((a, b) => a - b),
      );
    }
    for (const one of [client, other]) one.close();
  });
});

function versionsOf(events: readonly RegistryEvent[]): string[] {
  return events.flatMap(({ change }) => (change?.$case === 'expertPublished' ? change.value.version : []));
}
