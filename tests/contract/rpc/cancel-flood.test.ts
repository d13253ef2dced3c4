import assert from 'node:assert/strict';
import http2 from 'node:http2';
import type { AddressInfo } from 'node:net';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { ExpertRegistryServiceService, type WatchExpertsResponse } from '#proto/zmesh/v1/expert_registry.js';
import { ZmeshError } from '#shared/errors.js';
import { createLog } from '#shared/log.js';
import { bind, type Handlers } from '#shared/rpc/bind.js';
import { connect } from '#shared/rpc/client.js';
import { serve } from '#shared/rpc/server.js';

type RegistryHandlers = Handlers<typeof ExpertRegistryServiceService>;

/** Streams that are left at once: twice as many as break a connection. */
const LEAVING = 2000;
const message = (revision: bigint): WatchExpertsResponse => ({ revision, event: undefined, current: false });

/** A registry whose watches say one thing and then, when `go` is called, another, and end. Counts the callers' ports. */
async function start(t: TestContext) {
  let go = (): void => {};
  const gone = new Promise<void>((resolve) => {
    go = resolve;
  });
  const ports = new Set<string>();
  const handlers: Partial<RegistryHandlers> = {
    async *watchExperts(_, { peer, signal }) {
      ports.add(peer);
      yield message(1n);
      await Promise.race([gone, new Promise((left) => signal.addEventListener('abort', left))]);
      yield message(2n);
    },
  };
  const unused = async (): Promise<never> => assert.fail('this test does not call it');
  const all = Object.fromEntries(
    Object.keys(ExpertRegistryServiceService).map((name) => [
      name,
      handlers[name as keyof RegistryHandlers] ?? unused,
    ]),
  ) as unknown as RegistryHandlers;
  const log = createLog('test', { ZMESH_LOG_LEVEL: 'silent' });
  const services = [bind(ExpertRegistryServiceService, all)];
  const server = await serve({ host: '127.0.0.1', port: 0, services, log });
  const client = connect(ExpertRegistryServiceService, {
    address: server.address,
    unavailable: 'REGISTRY_UNAVAILABLE',
  });
  t.after(async () => {
    client.close();
    await server.drain(1000);
  });
  const watch = (signal?: AbortSignal) =>
    client
      .watchExperts({ model: '', afterRevision: 0n }, { timeoutMs: 30_000, ...(signal ? { signal } : {}) })
      [Symbol.asyncIterator]();
  return { watch, go, ports };
}

test('thousands leave at one moment: the streams beside them on the same connection go on to their ends', async (t) => {
  const { watch, go, ports } = await start(t);
  const patient = watch();
  assert.equal((await patient.next()).value?.revision, 1n);
  const leave = new AbortController();
  const leaving = Array.from({ length: LEAVING }, () => watch(leave.signal));
  await Promise.all(leaving.map((stream) => stream.next()));
  assert.equal(ports.size, 1, 'all were on one connection');
  const ends = leaving.map((stream) => assert.rejects(async () => stream.next()));
  leave.abort(new ZmeshError('CANCELLED', 'left'));
  await Promise.all(ends);
  for (let asked = 0; asked < 100 && ports.size === 1; asked += 1) {
    assert.equal((await watch().next()).value?.revision, 1n, 'a new call finds its way');
    await sleep(10);
  }
  assert.equal(ports.size, 2, 'new calls have a connection of their own');
  go();
  assert.equal((await patient.next()).value?.revision, 2n);
  assert.equal((await patient.next()).done, true);
});

test('thousands leave one after another, faster than HTTP/2 allows: none of their calls fails', async (t) => {
  const { watch, ports } = await start(t);
  const startMs = performance.now();
  let left = LEAVING;
  const one = async (): Promise<void> => {
    while (left-- > 0) {
      const stream = watch();
      assert.equal((await stream.next()).value?.revision, 1n);
      await stream.return?.();
    }
  };
  await Promise.all(Array.from({ length: 16 }, one));
  // Each second gives 30 back: a busy machine needs fewer.
  const over = LEAVING - (30 * (performance.now() - startMs)) / 1000;
  const least = Math.max(1, Math.floor(over / 500));
  assert.ok(ports.size >= least && ports.size <= 5, `${ports.size} connections for ${LEAVING} cancellations`);
});

for (const [how, code] of [
  ['INTERNAL_ERROR', http2.constants.NGHTTP2_INTERNAL_ERROR],
  ['ENHANCE_YOUR_CALM', http2.constants.NGHTTP2_ENHANCE_YOUR_CALM],
] as const) {
  test(`a connection that the peer ends with ${how} is told as unreachable, with a time to wait`, async (t) => {
    const peer = http2.createServer();
    peer.on('sessionError', () => {});
    peer.on('stream', (stream) => {
      stream.on('error', () => {});
      stream.close(code);
    });
    peer.listen(0, '127.0.0.1');
    await new Promise((listening) => peer.once('listening', listening));
    const client = connect(ExpertRegistryServiceService, {
      address: `127.0.0.1:${(peer.address() as AddressInfo).port}`,
      unavailable: 'REGISTRY_UNAVAILABLE',
    });
    t.after(async () => {
      client.close();
      peer.close();
      await sleep(10);
    });
    await assert.rejects(client.getModel({ name: 'm' }, { timeoutMs: 5000 }), (error: ZmeshError) => {
      assert.equal(error.reason, 'REGISTRY_UNAVAILABLE');
      assert.match(error.message, /^the connection broke: /);
      assert.equal(error.details.retryAfterMs, 1000);
      return true;
    });
  });
}
