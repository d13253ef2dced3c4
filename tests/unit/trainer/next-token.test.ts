import assert from 'node:assert/strict';
import { test } from 'node:test';
import { nextToken } from '#services/trainer/algorithms/next-token.js';
import { readSettings } from '#services/trainer/settings.js';
import { logPolicy, MODEL, question, softmaxTrials } from './softmax-policy.js';

const signal = new AbortController().signal;

test('known answers become more likely, and nothing is sampled', async () => {
  let state = nextToken.begin(MODEL, readSettings(nextToken, { 'end-token': 'true' }), 1n);
  const items = [question(0, 2), question(3, 1)];
  const likely = (): number =>
    items.reduce(
      (sum, item) => sum + logPolicy(item, nextToken.multipliers(state))[Number(item.answers[0])]!,
      0,
    );
  const before = likely();
  const trials = softmaxTrials({ sample: async () => assert.fail('samples nothing') });
  for (let i = 0; i < 40; i++) {
    const done = await nextToken.step(state, items, trials, signal);
    state = done.state;
    assert.equal(done.report.rollouts.length, 0);
  }
  assert(likely() > before + 0.2, `${before} → ${likely()}`);
});

test('the answer that is learnt is the chosen one, a random one by the run’s draws', async () => {
  const item = { ...question(0), answers: ['1', '23', '4'] };
  const learnt = async (target: string, seed: bigint): Promise<readonly string[]> => {
    let seen: readonly string[] = [];
    const trials = softmaxTrials({
      tokenise: async (_, answers) => {
        seen = answers;
        return answers.map(() => [0]);
      },
    });
    const state = nextToken.begin(MODEL, readSettings(nextToken, { target }), seed);
    await nextToken.step(state, Array(8).fill(item), trials, signal);
    return seen;
  };
  assert.equal((await learnt('first', 1n))[0], '1');
  assert.equal((await learnt('longest', 1n))[0], '23');
  assert.deepEqual(await learnt('random', 1n), await learnt('random', 1n));
  assert.equal(new Set(await learnt('random', 1n)).size, 3);
});

test('questions without a known answer are told, with how many and one of them', () => {
  const without = { ...question(4), answers: [] };
  assert.equal(nextToken.questionFault([question(1)]), undefined);
  assert.match(
    nextToken.questionFault([question(1), without])!,
    /^1 of 2 questions have no known answer .*"q4"/,
  );
});
