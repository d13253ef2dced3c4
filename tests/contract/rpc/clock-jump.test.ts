import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { ExpertRegistryServiceService } from '#proto/zmesh/v1/expert_registry.js';
import type { ZmeshError } from '#shared/errors.js';
import { createLog } from '#shared/log.js';
import { projectRoot } from '#shared/paths.js';
import { bind, type Handlers } from '#shared/rpc/bind.js';
import { connect } from '#shared/rpc/client.js';
import { serve } from '#shared/rpc/server.js';
import { jumpClock } from '../../support/jump-clock.js';

type RegistryHandlers = Handlers<typeof ExpertRegistryServiceService>;
type GetModel = RegistryHandlers['getModel'];

const HOUR_MS = 3_600_000;

async function start(t: TestContext, getModel: GetModel) {
  const unused = async (): Promise<never> => assert.fail('this test does not call it');
  const names = Object.keys(ExpertRegistryServiceService) as (keyof RegistryHandlers)[];
  const handlers = Object.fromEntries(names.map((name) => [name, name === 'getModel' ? getModel : unused]));
  const log = createLog('test', { ZMESH_LOG_LEVEL: 'silent' });
  const services = [bind(ExpertRegistryServiceService, handlers as unknown as RegistryHandlers)];
  const server = await serve({ host: '127.0.0.1', port: 0, services, log });
  const client = connect(ExpertRegistryServiceService, {
    address: server.address,
    unavailable: 'REGISTRY_UNAVAILABLE',
  });
  t.after(async () => {
    client.close();
    await server.drain(100);
  });
  return client;
}

for (const [how, jumpMs] of [
  ['forward', HOUR_MS],
  ['back', -HOUR_MS],
] as const) {
  test(`the clock jumps an hour ${how} during a call: what is left of its deadline is what the next hop gets`, async (t) => {
    t.after(() => jumpClock(0));
    let leftMs = Number.NaN;
    const behind = await start(t, async (_, { deadline }) => {
      leftMs = deadline! - performance.now();
      return { model: undefined };
    });
    const front = await start(t, async (request, { deadline }) => {
      jumpClock(jumpMs);
      return behind.getModel(request, { deadline });
    });
    await front.getModel({ name: 'm' }, { timeoutMs: 5000 });
    assert.ok(leftMs > 3000 && leftMs <= 5100, `${leftMs} ms are left of 5000`);
  });

  test(`the clock jumps an hour ${how}: a call still ends at its deadline and a cancellation is not taken for one`, async (t) => {
    t.after(() => jumpClock(0));
    const reasons: string[] = [];
    const client = await start(t, async (_, { signal }) => {
      jumpClock(jumpMs);
      await new Promise((resolve) => signal.addEventListener('abort', resolve));
      reasons.push((signal.reason as ZmeshError).reason);
      return { model: undefined };
    });
    const started = performance.now();
    await assert.rejects(client.getModel({ name: 'm' }, { timeoutMs: 300 }), { reason: 'DEADLINE' });
    const tookMs = performance.now() - started;
    assert.ok(tookMs > 250 && tookMs < 3000, `${tookMs} ms`);
    jumpClock(0);
    const leave = new AbortController();
    const call = client.getModel({ name: 'm' }, { timeoutMs: 60_000, signal: leave.signal });
    await sleep(100);
    leave.abort();
    await assert.rejects(call);
    for (let waited = 0; reasons.length < 2 && waited < 200; waited += 1) await sleep(10);
    assert.deepEqual(reasons, ['DEADLINE', 'CANCELLED']);
  });
}

/** Where the wall clock is read, and what for. Durations are measured by performance.now and by timers. */
const READERS: Readonly<Record<string, string>> = {
  'shared/telemetry/clock.ts': 'spans are shown at wall times',
  'shared/rpc/admission.ts': 'grpc-js tells a deadline as a wall time; it is read when the message is there',
  'shared/rpc/call.ts': "grpc-js tells a deadline as a wall time; it is read at the call's start",
  'shared/rpc/client.ts': "grpc-js takes a deadline as a wall time; it is told at the call's start",
  'shared/rpc/deadline.ts': "grpc-js tells a deadline as a wall time; it is read at the call's start",
  'shared/client/call-settings.ts': 'its users give a deadline as a date',
  'services/inference/presence.ts': 'says when a replica was started',
  'services/expert-registry/housekeeping.ts': 'counts the days that something is kept',
  'shared/timestamp.ts': 'measures from a time that another process wrote',
};

test('the wall clock is read only where a wall time is meant', () => {
  const readers = ['services', 'shared', 'deploy'].flatMap((area) =>
    readdirSync(join(projectRoot, area), { recursive: true, encoding: 'utf8' })
      .filter((name) => /\.(ts|mjs)$/.test(name))
      .map((name) => `${area}/${name.replaceAll('\\', '/')}`)
      .filter((name) => /Date\.now\(\)/.test(readFileSync(join(projectRoot, name), 'utf8'))),
  );
  assert.deepEqual(readers.sort(), Object.keys(READERS).sort());
});
