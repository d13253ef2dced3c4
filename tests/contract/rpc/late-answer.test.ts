import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { ExpertRegistryServiceService } from '#proto/zmesh/v1/expert_registry.js';
import { createLog } from '#shared/log.js';
import { bind, type Handlers } from '#shared/rpc/bind.js';
import { serve } from '#shared/rpc/server.js';
import { rawClient } from '../../support/raw-grpc.js';

type RegistryHandlers = Handlers<typeof ExpertRegistryServiceService>;
const DEADLINE_EXCEEDED = 4;

/** Holds the whole process up, so that no timer can run before what comes next. */
function busy(ms: number): void {
  for (const end = performance.now() + ms; performance.now() < end; );
}

async function start(t: TestContext) {
  const handlers = Object.fromEntries(
    Object.keys(ExpertRegistryServiceService).map((name) => [name, () => {}]),
  );
  const late: Partial<RegistryHandlers> = {
    async getModel() {
      busy(120);
      return { model: undefined };
    },
    async *verifyRegistry() {
      yield { record: 'first', fault: '', checked: 1n, total: 2n, faults: 0n };
      busy(120);
      yield { record: '', fault: '', checked: 2n, total: 2n, faults: 0n };
    },
  };
  const log = createLog('test', { ZMESH_LOG_LEVEL: 'silent' });
  const all = { ...handlers, ...late } as unknown as RegistryHandlers;
  const server = await serve({
    host: '127.0.0.1',
    port: 0,
    services: [bind(ExpertRegistryServiceService, all)],
    log,
  });
  const client = rawClient(server.address);
  t.after(async () => {
    client.close();
    await server.drain(1000);
  });
  return (name: string, kind: 'unary' | 'serverStream') => {
    const path = `/zmesh.v1.ExpertRegistryService/${name}`;
    return client.call({ path, kind, messages: [Buffer.alloc(0)], deadlineMs: 5000, serverTimeout: '80m' });
  };
}

test('an answer that was ready too late is DEADLINE, never OK without the answer', async (t) => {
  const send = await start(t);
  const { code, messages } = await send('GetModel', 'unary');
  assert.equal(code, DEADLINE_EXCEEDED);
  assert.equal(messages.length, 0);
});

test('a stream whose last message was ready too late ends with DEADLINE, never as if it were whole', async (t) => {
  const send = await start(t);
  const { code, messages, info } = await send('VerifyRegistry', 'serverStream');
  assert.equal(code, DEADLINE_EXCEEDED);
  assert.equal(info?.reason, 'DEADLINE');
  assert.ok(messages.length <= 1);
});
