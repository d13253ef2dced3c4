import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { ExpertRegistryServiceService } from '#proto/zmesh/v1/expert_registry.js';
import { ZmeshError } from '#shared/errors.js';
import { createLog } from '#shared/log.js';
import { bind, type Handlers } from '#shared/rpc/bind.js';
import { connect } from '#shared/rpc/client.js';
import { serve } from '#shared/rpc/server.js';

type RegistryHandlers = Handlers<typeof ExpertRegistryServiceService>;
const alias = { model: 'm', expert: 'e', alias: 'a', version: 'v', expectedVersion: undefined };

/** A registry that is draining for the first `failures` calls of a method; how often each was called. */
async function start(t: TestContext, failures: number) {
  const calls = { getModel: 0, setAlias: 0, watchExperts: 0 };
  const refuse = (name: keyof typeof calls): void => {
    if (++calls[name] <= failures) throw new ZmeshError('DRAINING', 'going down');
  };
  const handlers: Partial<RegistryHandlers> = {
    getModel: async () => {
      refuse('getModel');
      return { model: undefined };
    },
    setAlias: async () => {
      refuse('setAlias');
      return { previousVersion: '', version: 'v', revision: 1n };
    },
    watchExperts: async function* () {
      yield { revision: 1n, event: undefined, current: false };
      refuse('watchExperts');
    },
  };
  const log = createLog('test', { ZMESH_LOG_LEVEL: 'silent' });
  const services = [bind(ExpertRegistryServiceService, handlers as RegistryHandlers)];
  const server = await serve({ host: '127.0.0.1', port: 0, services, log });
  const client = connect(ExpertRegistryServiceService, {
    address: server.address,
    unavailable: 'REGISTRY_UNAVAILABLE',
    retried: ['getModel', 'watchExperts'],
  });
  t.after(async () => {
    client.close();
    await server.drain(1000);
  });
  return { client, calls };
}

const draining = (error: unknown): boolean => error instanceof ZmeshError && error.reason === 'DRAINING';

test('a method that may be called again is, where the peer is unavailable', async (t) => {
  const { client, calls } = await start(t, 2);
  await client.getModel({ name: 'm' });
  assert.equal(calls.getModel, 3);
});

test('four calls are the most, then the caller hears the reason', async (t) => {
  const { client, calls } = await start(t, 100);
  await assert.rejects(client.getModel({ name: 'm' }), draining);
  assert.equal(calls.getModel, 4);
});

test('a method that changes something is called once', async (t) => {
  const { client, calls } = await start(t, 1);
  await assert.rejects(client.setAlias(alias), draining);
  assert.equal(calls.setAlias, 1);
});

test('a stream that has begun is not begun again', async (t) => {
  const { client, calls } = await start(t, 1);
  const seen: bigint[] = [];
  await assert.rejects(async () => {
    for await (const { revision } of client.watchExperts({ model: '', afterRevision: 0n }))
      seen.push(revision);
  }, draining);
  assert.deepEqual(seen, [1n]);
  assert.equal(calls.watchExperts, 1);
});
