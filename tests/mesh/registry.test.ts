import assert from 'node:assert/strict';
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { after, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { ExpertRegistryServiceService } from '#proto/zmesh/v1/expert_registry.js';
import type { ServiceMessage } from '#shared/lifecycle.js';
import { connect } from '#shared/rpc/client.js';
import { collect, published, toyModel } from '../contract/registry/fixture.js';
import { lastFirst } from '../support/cleanup.js';
import { withNats } from '../support/nats.js';

const MAIN = fileURLToPath(new URL('../../services/expert-registry/main.js', import.meta.url));
const cleanup = lastFirst({ after });
const nats = await withNats(cleanup);

/** Starts the service's own process; resolves with its first message. */
async function start(
  env: NodeJS.ProcessEnv = {},
): Promise<{ child: ChildProcess; message: ServiceMessage; exit: Promise<unknown[]> }> {
  const settings = { ZMESH_NATS_URL: nats.url, ZMESH_LOG_LEVEL: 'silent', OTEL_SDK_DISABLED: 'true', ...env };
  const child = fork(MAIN, {
    env: { ...process.env, ...settings },
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  });
  const exit = once(child, 'exit');
  cleanup.after(() => void child.kill('SIGKILL'));
  const [message] = (await once(child, 'message')) as [ServiceMessage];
  return { child, message, exit };
}

async function ready(env?: NodeJS.ProcessEnv) {
  const started = await start(env);
  assert.ok(started.message.type === 'ready' && started.message.address);
  const { address } = started.message;
  return {
    ...started,
    address,
    client: connect(ExpertRegistryServiceService, { address, unavailable: 'REGISTRY_UNAVAILABLE' }),
  };
}

describe('the expert registry as a process', () => {
  test('keeps what it acknowledged over kill -9 of itself and of nats-server, and drains on SIGTERM', async () => {
    const first = await ready();
    await first.client.publishModel({ model: toyModel() });
    const version = await published(first.client, 1, {}, 'stable');
    first.child.kill('SIGKILL');
    await first.exit;
    first.client.close();
    await nats.kill();
    await nats.restart();

    const second = await ready();
    const { expert } = await second.client.getExpertVectors({ name: 'toy/math@stable' });
    assert.equal(expert!.version, version);
    assert.equal((await collect(second.client.verifyRegistry({}))).at(-1)!.faults, 0n);
    second.client.close();
    second.child.kill('SIGTERM');
    assert.deepEqual(await second.exit, [0, null]);
  });

  test('drains when its supervisor goes away', async () => {
    const { child, exit, client } = await ready();
    client.close();
    child.disconnect();
    assert.deepEqual(await exit, [0, null]);
  });

  test('drains while nats-server is away', async () => {
    const { child, exit, client } = await ready();
    client.close();
    await nats.kill();
    child.kill('SIGTERM');
    assert.deepEqual(await exit, [0, null]);
    await nats.restart();
  });

  test('says in one line which settings are wrong, all of them', async () => {
    const { message, exit } = await start({
      ZMESH_REGISTRY_PORT: 'many',
      ZMESH_REGISTRY_MAX_VECTORS_BYTES: '1',
    });
    assert.ok(message.type === 'failed');
    assert.match(message.message, /ZMESH_REGISTRY_PORT="many": not a number/);
    assert.match(message.message, /ZMESH_REGISTRY_MAX_VECTORS_BYTES="1": outside 1024 to 62914560/);
    assert.deepEqual(await exit, [1, null]);
  });

  test('says that NATS is away', async () => {
    const { message } = await start({ ZMESH_NATS_URL: 'nats://127.0.0.1:1' });
    assert.ok(message.type === 'failed');
    assert.match(message.message, /^NATS at nats:\/\/127\.0\.0\.1:1 cannot be reached/);
  });

  test('says that its port is taken', async (t) => {
    const holder = createServer().listen(0, '127.0.0.1');
    t.after(() => holder.close());
    await once(holder, 'listening');
    const { port } = holder.address() as { port: number };
    const { message } = await start({ ZMESH_REGISTRY_PORT: String(port) });
    assert.ok(message.type === 'failed');
    assert.equal(message.message, `cannot listen on 127.0.0.1:${port}: the port is taken`);
  });
});
