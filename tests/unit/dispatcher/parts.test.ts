import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PassTiming } from '#proto/zmesh/v1/common.js';
import { Classification, Receipt, ReceiptArm } from '#proto/zmesh/v1/dispatcher.js';
import { loadConfig, SETTINGS } from '#services/dispatcher/config.js';
import { softmax } from '#services/dispatcher/first-pass-score.js';
import { createGate } from '#services/dispatcher/gate.js';
import { createModels } from '#services/dispatcher/models.js';
import { shortReceipt } from '#services/dispatcher/receipt.js';
import { describeSettings, SettingsError } from '#shared/config.js';
import { ZmeshError } from '#shared/errors.js';
import { fakeModel } from '../../support/fake-inference.js';

test('settings have these defaults and ranges', () => {
  const lines = describeSettings(SETTINGS).map((line) => `${line.env}=${line.default} (${line.range})`);
  assert.deepEqual(lines, [
    'ZMESH_DISPATCHER_HOST=127.0.0.1 (text)',
    'ZMESH_DISPATCHER_PORT=0 (integer, 0 to 65535)',
    'ZMESH_DISPATCHER_HTTP_PORT=-1 (integer, -1 to 65535)',
    'ZMESH_INFERENCE_ADDRESS=127.0.0.1:7070 (host:port, comma separated)',
    'ZMESH_NATS_URL= (NATS URLs)',
    'ZMESH_NATS_REPLICAS=1 (integer, 1 to 5)',
    'ZMESH_DISPATCHER_AFFINITY_MARGIN=4 (integer, 0 to 10000)',
    'ZMESH_REGISTRY_ADDRESS=127.0.0.1:7071 (host:port, comma separated)',
    'ZMESH_TRAINER_ADDRESS=127.0.0.1:7072 (host:port, comma separated)',
    'ZMESH_DEFAULT_STRATEGY=auto (none | prompt | classifier | auto)',
    'ZMESH_ROUTED_ALIAS=stable (text)',
    'ZMESH_ABSTAIN_THRESHOLD=0.5 (number, 0 to 1)',
    'ZMESH_FIRST_PASS_MODE=score (score | generate)',
    'ZMESH_FIRST_PASS_BLEND=top (top | probability)',
    'ZMESH_FIRST_PASS_MAX_TOKENS=32 (integer, 1 to 256)',
    'ZMESH_DISPATCHER_MESSAGES_MAX=4096 (integer, 1 to 4096)',
    'ZMESH_DISPATCHER_PROMPT_BYTES_MAX=4194304 (integer, 1024 to 33554432)',
    'ZMESH_DISPATCHER_ANSWERS_MAX=64 (integer, 1 to 64)',
    'ZMESH_DISPATCHER_REQUESTS_MAX=1024 (integer, 1 to 100000)',
    'ZMESH_DISPATCHER_MODELS_MAX_AGE_MS=5000 (integer, 0 to 3600000)',
    'ZMESH_DISPATCHER_FIRST_VIEW_MS=3000 (integer, 0 to 600000)',
    'ZMESH_DISPATCHER_DRAIN_MS=8000 (integer, 0 to 600000)',
  ]);
});

test('settings that contradict each other are refused', () => {
  const bad = { ZMESH_FIRST_PASS_MODE: 'generate', ZMESH_FIRST_PASS_BLEND: 'probability' };
  assert.throws(
    () => loadConfig(bad),
    (error) => {
      assert(error instanceof SettingsError);
      assert.match(error.message, /ZMESH_FIRST_PASS_BLEND=probability needs ZMESH_FIRST_PASS_MODE=score/);
      return true;
    },
  );
  assert.throws(() => loadConfig({ ZMESH_ROUTED_ALIAS: 'Not An Alias' }), /ZMESH_ROUTED_ALIAS/);
});

test('softmax gives shares that sum to 1, however small the likelihoods', () => {
  for (const logs of [
    [0, 0],
    [-1000, -1001, -1002],
    [Math.log(0.2), Math.log(0.8)],
    [-5, Number.NEGATIVE_INFINITY],
  ]) {
    const shares = softmax(logs);
    assert(Math.abs(shares.reduce((sum, share) => sum + share, 0) - 1) < 1e-12);
  }
  assert.deepEqual(softmax([-5, Number.NEGATIVE_INFINITY]), [1, 0]);
  const [a, b] = softmax([-1000, -1001]);
  assert(Math.abs(a! / b! - Math.E) < 1e-9);
  for (const logs of [[Number.NaN, 0], [Number.NEGATIVE_INFINITY]])
    assert.throws(() => softmax(logs), { reason: 'INTERNAL' });
});

test('a gate counts requests out once each and refuses with the limit', () => {
  const gate = createGate(1);
  const leave = gate.enter();
  assert.equal(gate.inside, 1);
  assert.throws(() => gate.enter(), { reason: 'QUEUE_FULL' });
  leave();
  assert.equal(gate.inside, 0);
  gate.enter()();
  gate.close();
  assert.throws(() => gate.enter(), {
    reason: 'DRAINING',
    message: 'the dispatcher is shutting down; try another replica',
  });
});

test('served models are asked for once by all who wait, and again when the list is old or lacks a name', async () => {
  let nowMs = 0;
  let calls = 0;
  let models = [fakeModel('a')];
  const served = createModels({
    fetch: async () => {
      calls++;
      await new Promise((resolve) => setTimeout(resolve, 1));
      return { models };
    },
    maxAgeMs: 100,
    now: () => nowMs,
  });
  await Promise.all([served.find(''), served.find('a'), served.list()]);
  assert.equal(calls, 1);
  nowMs = 99;
  await served.find('a');
  assert.equal(calls, 1);
  models = [fakeModel('a'), fakeModel('b')];
  assert.equal((await served.find('b')).name, 'b');
  assert.equal(calls, 2);
  nowMs = 199;
  await served.find('a');
  assert.equal(calls, 3);
});

test('a failed question for the models is told and not remembered', async () => {
  let broken = true;
  const served = createModels({
    fetch: async () => {
      if (broken) throw new ZmeshError('INFERENCE_UNAVAILABLE', 'gone');
      return { models: [fakeModel('a')] };
    },
    maxAgeMs: 100,
  });
  await assert.rejects(served.find('a'), { reason: 'INFERENCE_UNAVAILABLE' });
  broken = false;
  assert.equal((await served.find('a')).name, 'a');
});

test('the short receipt is one line of ASCII JSON and stays small with the longest names and all arms', () => {
  const version = 'a'.repeat(64);
  const arm = (expert: string, alpha: number) => ReceiptArm.create({ expert, alpha });
  const receipt = Receipt.create({
    model: 'm',
    strategyUsed: 'prompt',
    classification: Classification.create({ label: 'math', confidence: 0.123456 }),
    arms: [arm(`m/math@${version}`, 0.75), arm('base', 0.25)],
    secondPass: PassTiming.create({ totalMs: 12.3456 }),
    totalMs: 20,
  });
  assert.deepEqual(JSON.parse(shortReceipt(receipt)), {
    model: 'm',
    strategy: 'prompt',
    label: 'math',
    confidence: 0.1235,
    abstained: false,
    arms: { 'math@aaaaaaaaaaaa': 0.75, base: 0.25 },
    second_pass_ms: 12.35,
    total_ms: 20,
  });
  const name = (index: number) => `${'n'.repeat(61)}.${index + 10}`;
  receipt.arms = Array.from({ length: 64 }, (_, i) => arm(`${'m'.repeat(64)}/${name(i)}@${version}`, 1 / 3));
  const long = shortReceipt(receipt);
  assert.match(long, /^[\x20-\x7e]+$/);
  assert(long.length < 4096, `${long.length} bytes`);
  assert.equal(JSON.parse(long).arms_left_out, 48);
});

test('a list past its age is used while inference is asked again, up to twice its age', async () => {
  let nowMs = 0;
  let answer = (): void => {};
  let calls = 0;
  const served = createModels({
    fetch: async () => {
      calls++;
      if (calls > 1)
        await new Promise<void>((resolve) => {
          answer = resolve;
        });
      return { models: [fakeModel('a')] };
    },
    maxAgeMs: 100,
    now: () => nowMs,
  });
  await served.find('a');
  nowMs = 150;
  assert.equal((await served.find('a')).name, 'a');
  assert.equal(calls, 2);
  nowMs = 250;
  const waiting = served.find('a');
  const first = await Promise.race([waiting, new Promise((resolve) => setImmediate(() => resolve('waits')))]);
  assert.equal(first, 'waits');
  answer();
  assert.equal((await waiting).name, 'a');
});
