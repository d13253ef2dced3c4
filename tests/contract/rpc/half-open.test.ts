import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { ExpertRegistryServiceService } from '#proto/zmesh/v1/expert_registry.js';
import type { ZmeshError } from '#shared/errors.js';
import { createLog } from '#shared/log.js';
import { bind, type Handlers } from '#shared/rpc/bind.js';
import { connect } from '#shared/rpc/client.js';
import { serve } from '#shared/rpc/server.js';
import { lastFirst } from '../../support/cleanup.js';
import { startTcpProxy } from '../../support/tcp-proxy.js';

type RegistryHandlers = Handlers<typeof ExpertRegistryServiceService>;

/** A registry whose watches say one thing and then wait, behind a proxy that can stop passing bytes. */
async function start(t: TestContext, keepaliveMs: number) {
  const cleanup = lastFirst(t);
  const watchExperts: RegistryHandlers['watchExperts'] = async function* (_, { signal }) {
    yield { revision: 1n, event: undefined, current: true };
    await new Promise((left) => signal.addEventListener('abort', left));
  };
  const unused = async (): Promise<never> => assert.fail('this test does not call it');
  const names = Object.keys(ExpertRegistryServiceService);
  const handlers = { ...Object.fromEntries(names.map((name) => [name, unused])), watchExperts };
  const log = createLog('test', { ZMESH_LOG_LEVEL: 'silent' });
  const services = [bind(ExpertRegistryServiceService, handlers as unknown as RegistryHandlers)];
  const server = await serve({ host: '127.0.0.1', port: 0, services, log });
  cleanup.after(() => server.drain(0));
  const proxy = await startTcpProxy(cleanup, server.address);
  const client = connect(ExpertRegistryServiceService, {
    address: proxy.address,
    unavailable: 'REGISTRY_UNAVAILABLE',
    keepaliveMs,
  });
  cleanup.after(() => client.close());
  const watch = client.watchExperts({ model: '', afterRevision: 0n })[Symbol.asyncIterator]();
  assert.equal((await watch.next()).value?.revision, 1n);
  return { server, proxy, watch };
}

test('a peer that vanished without a word is noticed by keep-alive, as one that cannot be reached', async (t) => {
  const { proxy, watch } = await start(t, 400);
  proxy.stall();
  const startMs = performance.now();
  await assert.rejects(watch.next(), (error: ZmeshError) => error.reason === 'REGISTRY_UNAVAILABLE');
  const tookMs = performance.now() - startMs;
  assert.ok(tookMs > 200 && tookMs < 5000, `${tookMs} ms`);
});

test('a peer that has nothing to say is not taken for one that vanished', async (t) => {
  const { watch } = await start(t, 1000);
  const next = watch.next().catch(() => 'lost');
  const silence = new Promise((resolve) => setTimeout(resolve, 2500, 'silence'));
  assert.equal(await Promise.race([next, silence]), 'silence');
});

test('a drain ends at its limit though a caller does not move', async (t) => {
  const { server, proxy, watch } = await start(t, 60_000);
  proxy.stall();
  const startMs = performance.now();
  await server.drain(300);
  const tookMs = performance.now() - startMs;
  assert.ok(tookMs >= 290 && tookMs < 3000, `${tookMs} ms`);
  proxy.resume();
  await assert.rejects(async () => watch.next());
});
