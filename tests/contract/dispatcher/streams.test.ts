import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Priority, Sampling } from '#proto/zmesh/v1/common.js';
import type { Strategy } from '#proto/zmesh/v1/dispatcher.js';
import { ZmeshError } from '#shared/errors.js';
import { sha256Hex } from '#shared/ids.js';
import { type FakeInference, untilAborted } from '../../support/fake-inference.js';
import { AUTO, all, ask, askLabel, byPrompt, NONE, publishThree, refused, startBench } from './harness.js';

const MATH = sha256Hex('nano', 'math', '');
const EXPERT: Strategy['kind'] = { $case: 'expert', value: { expert: 'math' } };

test('a stream is started, deltas, ends, the receipt last', async (t) => {
  const { client, inference } = await startBench(t, { publish: publishThree });
  inference.likelihood = (label) => (label === 'math' ? 0 : -9);
  inference.answer = (_request, index) => `answer ${index}`;
  const events = await all(client.generate(ask(AUTO, { n: 2, requestId: 'mine' })));
  assert.deepEqual(
    events.map(({ event }) => event?.$case),
    ['started', 'delta', 'delta', 'end', 'delta', 'delta', 'end', 'receipt'],
  );
  const [started] = events;
  assert(started?.event?.$case === 'started');
  assert.equal(started.event.value.requestId, 'mine');
  assert.equal(started.event.value.strategyUsed, 'classifier');
  assert.equal(started.event.value.classification?.label, 'math');
  assert.equal(started.event.value.arms[0]?.expert, `nano/math@${MATH}`);
});

test('Complete puts together what Generate streams', async (t) => {
  const { client, inference } = await startBench(t);
  inference.answer = (_request, index) => `answer ${index}`;
  const { answers, receipt } = await client.complete({ request: ask(NONE, { n: 2 }) });
  assert.deepEqual(
    answers.map(({ text, tokenIds }) => [text, tokenIds]),
    [
      ['answer 0', [1, 2]],
      ['answer 1', [3, 4]],
    ],
  );
  assert.equal(receipt?.usage?.completionTokens, 4);
});

test('the receipt tells versions, fingerprint, times of both passes, tokens, seed and ids', async (t) => {
  const { client, inference } = await startBench(t, { publish: publishThree });
  inference.likelihood = (label) => (label === 'math' ? 0 : -9);
  const { receipt } = await client.complete({ request: ask(byPrompt(), { requestId: 'r-1' }) });
  assert(receipt);
  assert.equal(receipt.requestId, 'r-1');
  assert.match(receipt.traceId, /^[0-9a-f]{32}$/);
  assert.equal(receipt.model, 'nano');
  assert.equal(receipt.modelFingerprint, sha256Hex('nano'));
  assert.equal(receipt.basisId, `${sha256Hex('nano')}:1`);
  assert.match(receipt.mixtureHash, /^[0-9a-f]{64}$/);
  assert.deepEqual(
    [receipt.firstPass?.queueMs, receipt.firstPass?.prefillMs, receipt.firstPass?.decodeMs],
    [1, 2, 3],
  );
  assert.deepEqual([receipt.secondPass?.queueMs, receipt.secondPass?.steps], [1, 5]);
  for (const pass of [receipt.firstPass, receipt.secondPass])
    assert(
      pass!.totalMs > 0 && pass!.totalMs <= receipt.totalMs,
      'total as the dispatcher saw it, not inference',
    );
  assert.deepEqual([receipt.firstPassUsage?.promptTokens, receipt.usage?.completionTokens], [7, 2]);
  assert.deepEqual(
    [receipt.firstPassCache?.expertsResident, receipt.secondPassCache?.expertsResident],
    [0, 1],
  );
  assert.equal(receipt.seed, 42n);
  assert.equal(receipt.registryAgeS, 0);
});

test('Classify is pass 1 alone: the mixture is told, nothing is generated', async (t) => {
  const { client, inference } = await startBench(t, { publish: publishThree });
  inference.likelihood = (label) => (label === 'math' ? 0 : -9);
  const { classification, receipt } = await client.classify(askLabel(undefined, { strategy: undefined }));
  assert.equal(classification?.label, 'math');
  assert.equal(receipt?.strategy, 'auto');
  assert.equal(receipt.arms[0]?.expert, `nano/math@${MATH}`);
  assert.equal(receipt.secondPass, undefined);
  assert(receipt.firstPass);
  assert.equal(receipt.modelFingerprint, sha256Hex('nano'));
  assert.equal(inference.generated.length, 0);
});

test("sampling, n, priority and the caller's id reach inference unchanged", async (t) => {
  const { client, inference } = await startBench(t, { publish: publishThree });
  const sampling = Sampling.create({
    temperature: 0.7,
    topK: 5,
    seed: 9n,
    stop: ['.'],
    maxTokens: 3,
    logProbs: true,
  });
  await client.complete({
    request: ask(byPrompt(), { sampling, n: 3, priority: Priority.BATCH, requestId: 'mine' }),
  });
  const [request] = inference.generated;
  assert.deepEqual(request?.sampling, sampling);
  assert.deepEqual([request.n, request.priority, request.requestId], [3, Priority.BATCH, 'mine']);
  assert.deepEqual([inference.scored[0]?.priority, inference.scored[0]?.requestId], [Priority.BATCH, 'mine']);
});

test('trailing metadata carries the ids and the short receipt; a failed call has the ids', async (t) => {
  const { client, inference } = await startBench(t, { publish: publishThree });
  const trailers = new Map<string, string | undefined>();
  const onTrailers = (get: (key: string) => string | undefined): void => {
    for (const key of ['zmesh-request-id', 'zmesh-trace-id', 'zmesh-receipt']) trailers.set(key, get(key));
  };
  const check = (label: string | undefined) => {
    assert.equal(trailers.get('zmesh-request-id'), 'mine');
    assert.match(trailers.get('zmesh-trace-id') ?? '', /^[0-9a-f]{32}$/);
    const receipt = JSON.parse(trailers.get('zmesh-receipt') ?? '');
    assert.deepEqual(receipt.arms, { [`math@${MATH.slice(0, 12)}`]: 1 });
    assert.equal(receipt.label, label);
    trailers.clear();
  };
  await all(client.generate(ask(EXPERT, { requestId: 'mine' }), { onTrailers }));
  check(undefined);
  inference.likelihood = (label) => (label === 'math' ? 0 : -9);
  await client.complete({ request: ask(byPrompt(), { requestId: 'mine' }) }, { onTrailers });
  check('math');
  await client.classify(askLabel(byPrompt(), { requestId: 'mine' }), { onTrailers });
  check('math');
  inference.before = async () => {
    throw new ZmeshError('KV_CACHE_EXCEEDED', 'no room');
  };
  await refused(
    client.complete({ request: ask(EXPERT, { requestId: 'mine' }) }, { onTrailers }),
    'RESOURCE_EXHAUSTED',
    'KV_CACHE_EXCEEDED',
    'no room',
  );
  assert.equal(trailers.get('zmesh-request-id'), 'mine');
  assert.equal(trailers.get('zmesh-receipt'), undefined);
});

/** Lets calls hang in inference; resolves with the reason that inference sees when one is given up. */
function hangAt(inference: FakeInference, stage: 'score' | 'token'): Promise<string> {
  return new Promise((resolve) => {
    inference.before = async (what, call) => {
      if (what !== stage) return;
      await untilAborted(call).catch((error: ZmeshError) => {
        resolve(error.reason);
        throw error;
      });
    };
  });
}

test('a caller that leaves cancels the pass that runs, in either pass', async (t) => {
  const { client, inference } = await startBench(t, { publish: publishThree });
  for (const stage of ['score', 'token'] as const) {
    const seen = hangAt(inference, stage);
    const leaving = new AbortController();
    const call = client.complete({ request: ask(byPrompt()) }, { signal: leaving.signal });
    setTimeout(() => leaving.abort(new ZmeshError('CANCELLED', 'enough')), 50);
    await refused(call, 'CANCELLED', 'CANCELLED', 'enough');
    assert.equal(await seen, 'CANCELLED');
  }
});

test('leaving a stream after the first token cancels it at inference', async (t) => {
  const { client, inference } = await startBench(t);
  let tokens = 0;
  const seen = new Promise<string>((resolve) => {
    inference.before = async (what, call) => {
      if (what !== 'token' || ++tokens < 2) return;
      await untilAborted(call).catch((error: ZmeshError) => {
        resolve(error.reason);
        throw error;
      });
    };
  });
  for await (const { event } of client.generate(ask(NONE))) if (event?.$case === 'delta') break;
  assert.equal(await seen, 'CANCELLED');
});

test("the caller's deadline is inference's deadline, in both passes", async (t) => {
  const { client, inference } = await startBench(t, { publish: publishThree });
  const deadline = performance.now() + 60_000;
  await client.complete({ request: ask(byPrompt()) }, { deadline });
  assert.equal(inference.deadlines.length, 2);
  for (const passed of inference.deadlines) assert(Math.abs(passed! - deadline) < 1000);
  await client.complete({ request: ask(NONE) });
  assert.equal(inference.deadlines[2], undefined);
  const seen = hangAt(inference, 'score');
  await refused(
    client.complete({ request: ask(byPrompt()) }, { timeoutMs: 100 }),
    'DEADLINE_EXCEEDED',
    'DEADLINE',
    /./,
  );
  assert.match(await seen, /^(DEADLINE|CANCELLED)$/);
});

test('inference hears how long ago the request came in: pass 2 keeps the place that pass 1 had', async (t) => {
  const { client, inference } = await startBench(t, { publish: publishThree });
  inference.before = async (method) => {
    if (method === 'score') await sleep(120);
  };
  await client.complete({ request: ask(byPrompt()) });
  const [first, second] = inference.ages as [number, number];
  assert.ok(first < 100 && second - first >= 110, `${first} ms, then ${second} ms`);
});

test('Tokenize asks inference for the named model', async (t) => {
  const { client, inference } = await startBench(t);
  const prompt = { input: { $case: 'text' as const, value: 'one' } };
  assert.deepEqual(await client.tokenize({ model: '', prompt }), {
    tokenIds: [1, 2, 3],
    rendered: 'rendered',
    contextLength: 512,
  });
  assert.deepEqual(inference.encoded, [{ model: 'nano', prompt }]);
});
