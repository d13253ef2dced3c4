import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { Sampling } from '#proto/zmesh/v1/common.js';
import { DispatcherServiceService } from '#proto/zmesh/v1/dispatcher.js';
import { loadConfig } from '#services/dispatcher/config.js';
import { startDispatcher } from '#services/dispatcher/server.js';
import { sleep } from '#shared/deadline.js';
import { ZmeshError } from '#shared/errors.js';
import { connectEvents } from '#shared/events/connection.js';
import { LEASE_MS, PRESENCE_FORMAT, presenceLease } from '#shared/events/presence.js';
import { createLog } from '#shared/log.js';
import { connect } from '#shared/rpc/client.js';
import { lastFirst } from '../../support/cleanup.js';
import {
  type FakeInference,
  fakeModel,
  startFakeInference,
  untilAborted,
} from '../../support/fake-inference.js';
import { startFakeRegistry } from '../../support/fake-registry.js';
import { withNats } from '../../support/nats.js';
import { all, ask, askLabel, byPrompt, chat, eventually, NONE, publishThree, refused } from './harness.js';

const log = createLog('test', { ZMESH_LOG_LEVEL: 'silent' });

/** A real dispatcher before several fakes. */
async function startFleet(t: TestContext, count: number, env: NodeJS.ProcessEnv = {}) {
  const cleanup = lastFirst(t);
  const registry = await startFakeRegistry();
  cleanup.after(registry.stop);
  publishThree(registry);
  const fakes: FakeInference[] = [];
  for (let i = 0; i < count; i++) fakes.push(await startFakeInference());
  for (const fake of fakes) cleanup.after(() => fake.stop());
  const settings = loadConfig({
    ZMESH_INFERENCE_ADDRESS: fakes.map(({ address }) => address).join(','),
    ZMESH_REGISTRY_ADDRESS: registry.address,
    ...env,
  });
  const dispatcher = await startDispatcher({ ...settings, drainMs: 1000 }, log);
  cleanup.after(dispatcher.drain);
  const client = connect(DispatcherServiceService, { address: dispatcher.address, unavailable: 'INTERNAL' });
  cleanup.after(() => client.close());
  return { fakes, client, cleanup };
}

const asked = (fakes: readonly FakeInference[]): number[] => fakes.map(({ generated }) => generated.length);

/** Makes every fake refuse until one that is reached second answers. */
function refuseFirst(
  fakes: readonly FakeInference[],
  what: 'score' | 'generate',
  error: () => ZmeshError,
): void {
  let refusals = 0;
  for (const fake of fakes)
    fake.before = async (now) => {
      if (now === what && refusals++ === 0) throw error();
    };
}

test('before the first token a request moves on from a replica that drains, stopped or cannot be reached', async (t) => {
  const { fakes, client } = await startFleet(t, 2);
  for (const reason of ['DRAINING', 'ENGINE_STOPPED', 'INFERENCE_UNAVAILABLE'] as const) {
    const before = asked(fakes);
    refuseFirst(fakes, 'generate', () => new ZmeshError(reason, 'not me'));
    const { answers } = await client.complete({ request: ask(NONE) });
    assert.equal(answers[0]?.text, 'one two');
    assert.deepEqual(
      asked(fakes).map((calls, i) => calls - before[i]!),
      [1, 1],
      reason,
    );
    // Passed over until it answers again.
    await eventually('both answer again', async () => {
      const now = asked(fakes);
      for (let i = 0; i < 8; i++) await client.complete({ request: ask(NONE, { prompt: chat(`${i}`) }) });
      return asked(fakes).every((calls, i) => calls > now[i]!);
    });
  }
});

test('pass 1 moves on as well', async (t) => {
  const { fakes, client } = await startFleet(t, 2);
  refuseFirst(fakes, 'score', () => new ZmeshError('DRAINING', 'not me'));
  for (const fake of fakes) fake.likelihood = (label) => (label === 'code' ? 0 : -9);
  const { classification } = await client.classify(askLabel(byPrompt()));
  assert.equal(classification?.label, 'code');
  assert.deepEqual(
    fakes.map(({ scored }) => scored.length),
    [1, 1],
  );
});

test('a replica whose server vanishes while a request waits for its first token loses no request', async (t) => {
  const { fakes, client } = await startFleet(t, 2);
  let waiting: FakeInference | undefined;
  for (const fake of fakes)
    fake.before = async (what, call) => {
      if (what !== 'generate' || waiting) return;
      waiting = fake;
      await untilAborted(call);
    };
  const answer = client.complete({ request: ask(NONE) });
  await eventually('it waits', async () => waiting);
  await waiting!.stop();
  assert.equal((await answer).answers[0]?.text, 'one two');
});

test('after the first token the loss of a replica is ENGINE_STOPPED with the tokens that were sent, and no receipt', async (t) => {
  const { fakes, client } = await startFleet(t, 2);
  let serving: FakeInference | undefined;
  let tokens = 0;
  for (const fake of fakes) {
    fake.answer = () => 'a b c d e f';
    fake.before = async (what, call) => {
      if (what !== 'token') return;
      serving = fake;
      if (tokens++ === 3) await untilAborted(call);
    };
  }
  const seen: string[] = [];
  const reading = (async () => {
    for await (const { event } of client.generate(ask(NONE))) {
      seen.push(event!.$case);
      if (seen.filter((kind) => kind === 'delta').length === 3) void serving!.stop();
    }
  })();
  const error = await refused(
    reading,
    'UNAVAILABLE',
    'ENGINE_STOPPED',
    /^the inference replica was lost after 3 tokens; the answer is incomplete/,
  );
  assert.equal(error.details.names?.tokens, '3');
  assert.equal(error.details.value, '3');
  assert.deepEqual(seen, ['started', 'delta', 'delta', 'delta']);
  assert.deepEqual(
    asked(fakes).reduce((sum, calls) => sum + calls),
    1,
    'it was not begun again',
  );
});

test('a request is tried on three replicas at most, and its own faults on one', async (t) => {
  const { fakes, client } = await startFleet(t, 5);
  for (const fake of fakes)
    fake.before = async (what) => {
      if (what === 'generate') throw new ZmeshError('DRAINING', 'none of us');
    };
  await refused(client.complete({ request: ask(NONE) }), 'UNAVAILABLE', 'DRAINING', 'none of us');
  assert.equal(
    asked(fakes).reduce((sum, calls) => sum + calls),
    3,
  );
  for (const fake of fakes)
    fake.before = async (what) => {
      if (what === 'generate') throw new ZmeshError('CONTEXT_EXCEEDED', 'too long');
    };
  await refused(client.complete({ request: ask(NONE) }), 'INVALID_ARGUMENT', 'CONTEXT_EXCEEDED', 'too long');
  assert.equal(
    asked(fakes).reduce((sum, calls) => sum + calls),
    4,
  );
});

test('the turns of a conversation go to one replica; many conversations are spread', async (t) => {
  const { fakes, client } = await startFleet(t, 3);
  const turns = ['Hello, I am new here.', 'And then?', 'And now?'];
  for (let n = 1; n <= turns.length; n++)
    await client.complete({
      request: ask(NONE, { prompt: chat({ role: 'system', content: 'Be brief.' }, ...turns.slice(0, n)) }),
    });
  assert.deepEqual(asked(fakes).sort(), [0, 0, 3]);
  for (let i = 0; i < 60; i++)
    await client.complete({ request: ask(NONE, { prompt: chat(`Question ${i}`) }) });
  for (const calls of asked(fakes)) assert(calls >= 5 && calls <= 50, `${asked(fakes)}`);
});

test('requests at work are spread over all replicas though they begin alike', async (t) => {
  const { fakes, client } = await startFleet(t, 3);
  let release = (): void => {};
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  for (const fake of fakes)
    fake.before = async (what) => {
      if (what === 'generate') await held;
    };
  const running = Array.from({ length: 30 }, () => client.complete({ request: ask(NONE) }));
  await eventually('all are at work', async () => asked(fakes).reduce((sum, calls) => sum + calls) === 30);
  const counts = asked(fakes);
  assert(Math.max(...counts) - Math.min(...counts) <= 5, `${counts}`);
  release();
  await Promise.all(running);
});

test('a model is asked of the replicas that serve it, and all models are listed', async (t) => {
  const { fakes, client } = await startFleet(t, 2);
  fakes[1]!.models = [fakeModel('large')];
  const listed = await eventually('both are known', async () => {
    const { models } = await client.listModels({});
    return models.length === 2 && models.map(({ served }) => served?.name);
  });
  assert.deepEqual(listed, ['large', 'nano']);
  for (const model of ['nano', 'large'])
    for (let i = 0; i < 6; i++)
      await client.complete({ request: ask(NONE, { model, prompt: chat(`${model} ${i}`) }) });
  fakes.forEach(({ generated, models }) => {
    assert.equal(generated.length, 6);
    for (const { model } of generated) assert.equal(model, models[0]!.name);
  });
});

test('announced replicas join, are preferred for the experts they hold, leave, and are gone when they die', async (t) => {
  const nats = await withNats(lastFirst(t));
  const { fakes, client, cleanup } = await startFleet(t, 1, { ZMESH_NATS_URL: nats.url });
  const [fixed] = fakes;
  const joining = await startFakeInference();
  cleanup.after(() => joining.stop());
  const events = await connectEvents({ url: nats.url, name: 'test', log });
  cleanup.after(() => events.close());
  const lease = presenceLease(events, 'one');
  const presence = (experts: string[]) => ({
    format: PRESENCE_FORMAT,
    address: joining.address,
    startedAt: { seconds: 1n, nanos: 0 },
    models: [
      { name: 'nano', fingerprint: fakeModel('nano').fingerprint, waiting: 0, running: 0, freePages: 9 },
    ],
    experts,
  });
  const probe = async (): Promise<number[]> => {
    const before = [fixed!.generated.length, joining.generated.length];
    for (let i = 0; i < 12; i++) await client.complete({ request: ask(NONE, { prompt: chat(`${i}`) }) });
    return [fixed!.generated.length - before[0]!, joining.generated.length - before[1]!];
  };
  assert.deepEqual(await probe(), [12, 0]);
  await lease.renew(presence([]));
  await eventually('it gets work', async () => (await probe())[1]! > 0);

  const math = { $case: 'expert', value: { expert: 'math' } } as const;
  const { receipt } = await client.complete({ request: ask(math) });
  const version = receipt!.arms[0]!.expert.split('@')[1]!;
  await lease.renew(presence([version.slice(0, 16)]));
  await eventually('all work with the expert goes where it is', async () => {
    const before = fixed!.generated.length;
    for (let i = 0; i < 8; i++)
      await client.complete({ request: ask(math, { prompt: chat(`${i}`), sampling: Sampling.create({}) }) });
    return fixed!.generated.length === before;
  });

  await lease.remove();
  await eventually('it gets no more work', async () => (await probe())[1] === 0);
  await lease.renew(presence([]));
  await eventually('it is back', async () => (await probe())[1]! > 0);
  // Not renewed: the lease runs out after five seconds. It is asked then, and stays while it answers.
  await sleep(LEASE_MS + 1500);
  await eventually('it still gets work', async () => (await probe())[1]! > 0);
  await joining.stop();
  await eventually('it is gone', async () => (await probe())[0] === 12);
});

test('announced replicas outlive an outage of NATS, and those that end are dropped', async (t) => {
  const nats = await withNats(lastFirst(t));
  const { fakes, client, cleanup } = await startFleet(t, 2, { ZMESH_NATS_URL: nats.url });
  const joining = await startFakeInference();
  cleanup.after(() => joining.stop());
  const events = await connectEvents({ url: nats.url, name: 'test', log });
  cleanup.after(() => events.close());
  const model = {
    name: 'nano',
    fingerprint: fakeModel('nano').fingerprint,
    waiting: 0,
    running: 0,
    freePages: 9,
  };
  await presenceLease(events, 'one').renew({
    format: PRESENCE_FORMAT,
    address: joining.address,
    startedAt: undefined,
    models: [model],
    experts: [],
  });
  const joined = async (): Promise<boolean> => {
    const before = joining.generated.length;
    for (let i = 0; i < 12; i++) await all(client.generate(ask(NONE, { prompt: chat(`${i}`) })));
    return joining.generated.length > before;
  };
  await eventually('it gets work', joined);
  await nats.kill();
  assert(await joined(), 'it stays while NATS is away');
  await nats.restart();
  await sleep(LEASE_MS + 1500);
  assert(await joined(), 'it stays while it answers, though nobody announces it');
  await joining.stop();
  await eventually('it is dropped', async () => !(await joined()));
  assert.equal(fakes.length, 2);
});
