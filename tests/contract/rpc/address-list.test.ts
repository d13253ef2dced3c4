import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { ExpertRegistryServiceService } from '#proto/zmesh/v1/expert_registry.js';
import { createLog } from '#shared/log.js';
import { bind } from '#shared/rpc/bind.js';
import { connect } from '#shared/rpc/client.js';
import { type RpcServer, serve } from '#shared/rpc/server.js';

const { listRegisteredModels } = ExpertRegistryServiceService;

async function counting(t: TestContext): Promise<{ server: RpcServer; calls: number }> {
  const counted = { calls: 0, server: undefined as unknown as RpcServer };
  const service = bind(
    { listRegisteredModels },
    {
      async listRegisteredModels() {
        counted.calls++;
        return { models: [] };
      },
    },
  );
  const log = createLog('test', { ZMESH_LOG_LEVEL: 'silent' });
  counted.server = await serve({ host: '127.0.0.1', port: 0, services: [service], log });
  t.after(() => counted.server.drain(0));
  return counted;
}

test('names and IP addresses in one list are used together; one that leads nowhere is passed over', async (t) => {
  const [one, two] = [await counting(t), await counting(t)];
  const address = `localhost:${one.server.port}, 127.0.0.1:${two.server.port},no-such-host.invalid:1`;
  const client = connect({ listRegisteredModels }, { address, unavailable: 'REGISTRY_UNAVAILABLE' });
  t.after(() => client.close());
  const call = (): Promise<unknown> => client.listRegisteredModels({}, { timeoutMs: 5000 });
  for (const giveUp = Date.now() + 5000; one.calls === 0 || two.calls === 0; await call())
    assert(Date.now() < giveUp, `both are called: ${one.calls}, ${two.calls}`);

  await one.server.drain(0);
  const before = two.calls;
  let answered = 0;
  for (let i = 0; i < 20; i++)
    await call().then(
      () => answered++,
      () => {},
    );
  assert(answered >= 19, `${answered} of 20 are answered after one server went away`);
  assert.equal(two.calls - before, answered);
});

test('a list of which nothing can be resolved is the reason the client was given', async (t) => {
  const address = 'no-such-host.invalid:1,nor-this.invalid:2';
  const client = connect({ listRegisteredModels }, { address, unavailable: 'REGISTRY_UNAVAILABLE' });
  t.after(() => client.close());
  await assert.rejects(client.listRegisteredModels({}, { timeoutMs: 20_000 }), {
    reason: 'REGISTRY_UNAVAILABLE',
    message: /Name resolution failed/,
  });
});
