import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { GradientRequest } from '#services/trainer/algorithms/algorithm.js';
import { reinforce } from '#services/trainer/algorithms/reinforce.js';
import { multipliersOf } from '#services/trainer/parameters.js';
import { readSettings } from '#services/trainer/settings.js';
import { vectorOf } from '#services/trainer/state.js';
import { decodeState, encodeState } from '#services/trainer/state-file.js';
import {
  answer,
  logPolicy,
  MODEL,
  question,
  scoreFunction,
  softmaxTrials,
  TOKENS,
} from './softmax-policy.js';

const signal = new AbortController().signal;
const close = (actual: number, expected: number, tolerance = 1e-9): void =>
  assert(Math.abs(actual - expected) <= tolerance, `${actual} is not ${expected}`);

/** The gradient that a step asked for, with the state that it started from. */
async function gradientOf(given: Record<string, string>, items: number, draw: (item: number) => number[]) {
  const settings = readSettings(reinforce, { 'learning-rate': '0', ...given });
  const state = reinforce.begin(MODEL, settings, 5n);
  const exact = softmaxTrials();
  let asked: GradientRequest | undefined;
  const trials = softmaxTrials({
    sample: async ({ items: questions }) => questions.map((_, i) => draw(i).map(answer)),
    gradient: async (request, stop) => {
      asked = request;
      return exact.gradient(request, stop);
    },
  });
  const questions = Array.from({ length: items }, () => question(1, 1));
  await reinforce.step(state, questions, trials, signal);
  const multipliers = reinforce.multipliers(state);
  const result = asked && (await exact.gradient(asked, signal));
  const gradient = [...multipliers].flatMap(([name, m]) => [
    ...(result?.gradient.get(name) ?? m.map(() => 0)),
  ]);
  return { gradient, multipliers };
}

test('without a baseline, answers in the proportions of the policy give the exact policy gradient', async () => {
  // Weighting instead of sampling: token a stands in the batch π(a)·count times, up to rounding to 1/count.
  const settings = readSettings(reinforce, {});
  const policy = logPolicy(question(1, 1), reinforce.multipliers(reinforce.begin(MODEL, settings, 5n)));
  const count = 4000;
  const all = policy.flatMap((l, token) => Array<number>(Math.round(Math.exp(l) * count)).fill(token));
  const { gradient, multipliers } = await gradientOf(
    { samples: '1', baseline: 'none', 'reward-scale': 'none' },
    all.length,
    (i) => [all[i]!],
  );
  const item = question(1, 1);
  gradient.forEach((value, i) => {
    const expected = Array.from({ length: TOKENS }, (_, token) => token).reduce(
      (sum, a) => sum - Math.exp(policy[a]!) * (a === 1 ? 1 : -1) * scoreFunction(item, multipliers, a)[i]!,
      0,
    );
    close(value, expected, 5e-4);
  });
});

test('the leave-one-out baseline leaves the expected gradient as it is', async () => {
  // All pairs of answers, each weighing π(a)·π(b): through importance, E = Σ π(a)π(b)·g(a, b), exactly.
  const item = question(1, 1);
  let policy: number[] = [];
  const expectation = async (baseline: string): Promise<number[]> => {
    const sums: number[] = [];
    for (let a = 0; a < TOKENS; a++)
      for (let b = 0; b < TOKENS; b++) {
        const { gradient, multipliers } = await gradientOf(
          { samples: '2', baseline, 'reward-scale': 'none' },
          1,
          () => [a, b],
        );
        policy = logPolicy(item, multipliers).map(Math.exp);
        gradient.forEach((value, i) => {
          sums[i] = (sums[i] ?? 0) + policy[a]! * policy[b]! * value;
        });
      }
    return sums;
  };
  const [plain, baselined] = [await expectation('none'), await expectation('leave-one-out')];
  assert(plain.some((value) => Math.abs(value) > 0.01));
  for (const [i, value] of plain.entries()) close(baselined[i]!, value, 1e-12);
});

test('the reward of a softmax policy climbs to its best under the recommended settings', async () => {
  const settings = readSettings(reinforce, { steps: '60', prompts: '8' });
  let state = reinforce.begin(MODEL, settings, 1n);
  const items = [question(0, 2), question(3, 1)];
  const rewards: number[] = [];
  for (let i = 0; i < 60; i++) {
    const done = await reinforce.step(state, items, softmaxTrials(), signal);
    state = done.state;
    rewards.push(done.report.metrics.reward!);
  }
  const late = rewards.slice(-20).reduce((sum, r) => sum + r, 0) / 20;
  const early = rewards.slice(0, 5).reduce((sum, r) => sum + r, 0) / 5;
  assert(late > early + 0.2, `${early} → ${late}`);
});

test('a state read back from its bytes goes on bit by bit as the undisturbed one', async () => {
  const settings = readSettings(reinforce, { steps: '6', 'kl-coefficient': '0.1' });
  let undisturbed = reinforce.begin(MODEL, settings, 99n);
  let resumed = undisturbed;
  for (let i = 0; i < 6; i++) {
    resumed = decodeState(encodeState(resumed));
    const items = [question(i), question(i + 1), question(i + 2)];
    undisturbed = (await reinforce.step(undisturbed, items, softmaxTrials(), signal)).state;
    resumed = (await reinforce.step(resumed, items, softmaxTrials(), signal)).state;
    assert.deepEqual(resumed, undisturbed);
    assert.deepEqual(encodeState(resumed), encodeState(undisturbed));
  }
  assert.equal(undisturbed.step, 6);
});

test('the state before the first step is 0.1 ± 0.01 before the sigmoid, the same for the same seed', () => {
  const model = [{ name: 'a.mlp.b', sigma: new Float64Array(5000).fill(1) }];
  const settings = readSettings(reinforce, {});
  const p = vectorOf(reinforce.begin(model, settings, 3n), 'parameters');
  const mean = p.reduce((sum, v) => sum + v, 0) / p.length;
  close(mean, 0.1, 5e-4);
  close(Math.sqrt(p.reduce((sum, v) => sum + (v - mean) ** 2, 0) / p.length), 0.01, 5e-4);
  assert.deepEqual(p, vectorOf(reinforce.begin(model, settings, 3n), 'parameters'));
  assert.notDeepEqual(p, vectorOf(reinforce.begin(model, settings, 4n), 'parameters'));
  close(multipliersOf(p, 'sigmoid')[0]!, 1 / (1 + Math.exp(-p[0]!)), 1e-15);
});

test('answers without advantage are not sent where nothing but advantage weighs', async () => {
  const settings = readSettings(reinforce, {});
  const state = reinforce.begin(MODEL, settings, 5n);
  const trials = softmaxTrials({
    sample: async ({ items }) => items.map(() => [0, 0, 0, 0].map(answer)),
    gradient: async () => assert.fail('nothing to ask'),
  });
  const { state: next, report } = await reinforce.step(state, [question(1)], trials, signal);
  assert.equal(report.metrics['gradient-norm'], 0);
  assert.deepEqual(next.vectors.parameters, state.vectors.parameters);
});

test('settings that are unknown, out of range or do not go together are refused, all at once', () => {
  assert.throws(
    () => readSettings(reinforce, { samples: '0', 'learning-rate': 'fast', flavour: 'mint' }),
    (error: Error) =>
      /samples="0": outside 1 to 256/.test(error.message) &&
      /learning-rate="fast": not a number/.test(error.message) &&
      /flavour: not a setting of reinforce/.test(error.message),
  );
  assert.throws(() => readSettings(reinforce, { samples: '1' }), /leave-one-out needs samples of at least 2/);
  assert.throws(() => readSettings(reinforce, { temperature: '0' }), /samples must be 1, not 4/);
});

/** What a step asks a gradient for, with answers of three tokens that ended by themselves. */
async function askedFor(given: Record<string, string>): Promise<GradientRequest> {
  const settings = readSettings(reinforce, { samples: '2', 'reward-scale': 'none', ...given });
  let asked: GradientRequest | undefined;
  const trials = softmaxTrials({
    sample: async ({ items }) =>
      items.map((item) =>
        [0, 1].map((j) => ({ tokenIds: [7, 8, 9], text: item.answers[0]! + j, finish: 'end' as const })),
      ),
    reward: async (items) => items.map(() => [1, -1]),
    gradient: async (request) => {
      asked = request;
      return { policyLoss: 0, logProbs: [], kls: [], gradient: request.multipliers };
    },
  });
  await reinforce.step(reinforce.begin(MODEL, settings, 1n), [question(0), question(1)], trials, signal);
  return asked!;
}

test('the loss is the mean over answers of −advantage·log π + coefficient·KL', async () => {
  const asked = await askedFor({ 'kl-coefficient': '0.2', 'kl-direction': 'reference-to-policy' });
  // Two questions of two answers: advantages ±2 against each other, a quarter each.
  assert.deepEqual(
    asked.answers.map(({ weight, klWeight }) => [weight, klWeight]),
    [0.5, -0.5, 0.5, -0.5].map((weight) => [weight, 0.05]),
  );
  assert.equal(asked.klDirection, 'reference-to-policy');
  assert.equal(asked.normalisation, 'trace');
});

test('length normalisation divides by the tokens that count, the end of the turn among them if it does', async () => {
  const whole = await askedFor({ 'length-normalisation': 'true' });
  assert.deepEqual(
    whole.answers.map(({ weight, tokenIds }) => [weight, tokenIds.length]),
    [0.5, -0.5, 0.5, -0.5].map((weight) => [weight / 3, 3]),
  );
  const without = await askedFor({ 'length-normalisation': 'true', 'end-token': 'false' });
  assert.deepEqual(
    without.answers.map(({ weight, tokenIds }) => [weight, tokenIds]),
    [0.5, -0.5, 0.5, -0.5].map((weight) => [weight / 2, [7, 8]]),
  );
});

test('divergence alone pulls the policy back to the base', async () => {
  for (const direction of ['policy-to-reference', 'reference-to-policy']) {
    const settings = readSettings(reinforce, {
      'kl-coefficient': '1',
      'kl-direction': direction,
      'init-deviation': '1',
      parameterisation: 'direct',
      'init-mean': '2',
    });
    let state = reinforce.begin(MODEL, settings, 1n);
    const kls: number[] = [];
    const trials = softmaxTrials({ reward: async (items) => items.map(() => [1, 1, 1, 1]) });
    for (let i = 0; i < 30; i++) {
      const done = await reinforce.step(state, [question(0), question(1), question(2)], trials, signal);
      state = done.state;
      kls.push(done.report.metrics.kl!);
    }
    assert(kls.at(-1)! < kls[0]! * 0.7, `${direction}: ${kls[0]} → ${kls.at(-1)}`);
  }
});

test('the rollouts of a step are reported with their rewards and advantages', async () => {
  const settings = readSettings(reinforce, { samples: '2', 'reward-scale': 'none' });
  const trials = softmaxTrials({ sample: async ({ items }) => items.map(() => [answer(1), answer(0)]) });
  const { report } = await reinforce.step(
    reinforce.begin(MODEL, settings, 1n),
    [question(1)],
    trials,
    signal,
  );
  assert.deepEqual(report.rollouts, [
    { itemId: 'q1', sample: 0, text: '1', finish: 'stop', tokens: 1, reward: 1, advantage: 2 },
    { itemId: 'q1', sample: 1, text: '0', finish: 'stop', tokens: 1, reward: -1, advantage: -2 },
  ]);
  const { reward, right, signal: told, truncated } = report.metrics;
  assert.deepEqual([report.step, reward, right, told, truncated], [1, 0, 0.5, 1, 0]);
});
