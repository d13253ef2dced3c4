import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Strategy } from '#proto/zmesh/v1/dispatcher.js';
import { DispatcherServiceService } from '#proto/zmesh/v1/dispatcher.js';
import { loadConfig } from '#services/dispatcher/config.js';
import { startDispatcher } from '#services/dispatcher/server.js';
import { sha256Hex } from '#shared/ids.js';
import { createLog } from '#shared/log.js';
import { connect } from '#shared/rpc/client.js';
import { startFakeInference, untilAborted } from '../../support/fake-inference.js';
import { AUTO, ask, byPrompt, eventually, NONE, publishThree, refused, startBench } from './harness.js';

const MATH = sha256Hex('nano', 'math', '');
const expert = (name: string): Strategy['kind'] => ({ $case: 'expert', value: { expert: name } });

test('while the registry is away aliases are as last seen, the receipt says how old, and new ones work once it is back', async (t) => {
  const { client, registry, inference } = await startBench(t, { publish: publishThree });
  inference.likelihood = (label) => (label === 'math' ? 0 : -9);
  await registry.stop();
  const ages: number[] = [];
  await eventually('the receipt tells an age', async () => {
    const { receipt } = await client.complete({ request: ask(AUTO) });
    assert.equal(receipt?.arms[0]?.expert, `nano/math@${MATH}`);
    ages.push(receipt.registryAgeS);
    return ages.filter((age) => age > 0).length >= 2;
  });
  assert(ages.at(-1)! > ages.at(-2)!, `ages grow: ${ages}`);
  await refused(
    client.complete({ request: ask(expert('nobody')) }),
    'UNAVAILABLE',
    'REGISTRY_UNAVAILABLE',
    /^nano\/nobody@stable: the expert registry was last seen [\d.]+ s ago$/,
  );
  const exact = `math@${'a'.repeat(64)}`;
  const { receipt } = await client.complete({ request: ask(expert(exact)) });
  assert.equal(receipt?.arms[0]?.expert, `nano/${exact}`, 'an exact version is left for inference to judge');
  await registry.restart();
  const second = registry.publish({ expert: 'math' }, 'second');
  registry.alias('math', 'stable', second);
  const back = await eventually('the moved alias is seen', async () => {
    const { receipt: next } = await client.complete({ request: ask(expert('math')) });
    return next?.arms[0]?.expert === `nano/math@${second}` && next;
  });
  assert.equal(back.registryAgeS, 0);
  assert(registry.watches.at(-1)! > 0n, 'the watch was resumed, not begun anew');
});

test('a watch whose revision is gone begins anew and keeps answering meanwhile', async (t) => {
  const { client, registry } = await startBench(t, { publish: publishThree });
  await registry.stop();
  registry.retire('code', sha256Hex('nano', 'code', ''));
  registry.alias('code', 'stable', '');
  registry.compact();
  await registry.restart();
  await eventually('the vanished label is gone', async () => {
    const { models } = await client.listModels({});
    if (models[0]?.routed.length === 1) return true;
    assert.equal(models[0]?.routed.length, 2);
    return false;
  });
  assert.deepEqual(registry.watches.slice(0, 1), [0n]);
  assert.equal(registry.watches.at(-1), 0n);
});

test('a dispatcher that never saw the registry answers what needs no expert and refuses the rest', async (t) => {
  const inference = await startFakeInference();
  const settings = loadConfig({
    ZMESH_INFERENCE_ADDRESS: inference.address,
    ZMESH_REGISTRY_ADDRESS: '127.0.0.1:9',
  });
  const log = createLog('dispatcher', { ZMESH_LOG_LEVEL: 'silent' });
  const dispatcher = await startDispatcher({ ...settings, firstViewMs: 50 }, log);
  const client = connect(DispatcherServiceService, { address: dispatcher.address, unavailable: 'INTERNAL' });
  t.after(async () => {
    client.close();
    await dispatcher.drain();
    await inference.stop();
  });
  const { receipt } = await client.complete({ request: ask(NONE) });
  assert(receipt!.registryAgeS > 0 && Number.isFinite(receipt!.registryAgeS));
  for (const strategy of [AUTO, byPrompt()]) {
    await refused(
      client.complete({ request: ask(strategy) }),
      'UNAVAILABLE',
      'REGISTRY_UNAVAILABLE',
      'experts of nano: the expert registry has not been seen yet',
    );
  }
  await refused(
    client.complete({ request: ask(expert('math')) }),
    'UNAVAILABLE',
    'REGISTRY_UNAVAILABLE',
    'nano/math@stable: the expert registry has not been seen yet',
  );
  const exact = `math@${MATH}`;
  const known = await client.complete({ request: ask(expert(exact)) });
  assert.equal(known.receipt?.arms[0]?.expert, `nano/${exact}`);
});

test('inference that cannot be reached is told so, with a time to come back', async (t) => {
  const { client, inference } = await startBench(t, { settings: { modelsMaxAgeMs: 0 } });
  await inference.stop();
  const error = await refused(
    client.complete({ request: ask(NONE) }),
    'UNAVAILABLE',
    'INFERENCE_UNAVAILABLE',
    /cannot be reached/,
  );
  assert.equal(error.details.retryAfterMs, 1000);
});

test('more requests than the limit are refused with the limit and a time to come back', async (t) => {
  const { client, inference } = await startBench(t, { settings: { requestsMax: 2 } });
  let running = 0;
  inference.before = async (what, call) => {
    if (what !== 'generate') return;
    running++;
    await untilAborted(call);
  };
  const leaving = new AbortController();
  const hanging = [1, 2].map(() =>
    client.complete({ request: ask(NONE) }, { signal: leaving.signal }).catch((error: Error) => error),
  );
  await eventually('both are at work', async () => running === 2);
  const error = await refused(
    client.complete({ request: ask(NONE) }),
    'RESOURCE_EXHAUSTED',
    'QUEUE_FULL',
    '2 requests are at work, the most this dispatcher takes at once',
  );
  assert.deepEqual([error.details.limit, error.details.value, error.details.retryAfterMs], ['2', '3', 250]);
  leaving.abort();
  await Promise.all(hanging);
  inference.before = async () => {};
  await eventually('room is made when requests end', () =>
    client.complete({ request: ask(NONE) }).then(
      () => true,
      () => false,
    ),
  );
});

test('a draining dispatcher finishes what runs and takes nothing new', async (t) => {
  const { client, inference, drain } = await startBench(t);
  let release = (): void => {};
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  const reached = new Promise<void>((resolve) => {
    inference.before = async (what) => {
      if (what !== 'generate') return;
      resolve();
      await held;
    };
  });
  const running = client.complete({ request: ask(NONE) });
  await reached;
  const drained = drain();
  const late = await client
    .complete({ request: ask(NONE) }, { timeoutMs: 2000 })
    .catch((error: Error) => error);
  assert(late instanceof Error, 'a late request is not answered');
  release();
  assert.equal((await running).answers[0]?.text, 'one two');
  await drained;
});
