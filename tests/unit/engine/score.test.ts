import assert from 'node:assert/strict';
import { test } from 'node:test';
import { groupContinuations } from '#services/inference/engine/score-groups.js';
import { fakeLogit, fakeLogSumExp, fakeNext } from '../../support/fake-runtime.js';
import { type Harness, scoreMessage, startHarness } from './harness.js';

const V = 97;
const prompt = (length: number): number[] => Array.from({ length }, (_, i) => (i * 17 + 5) % V);
const continuation = (length: number, seed: number): number[] =>
  Array.from({ length }, (_, i) => (i * 13 + seed * 29) % V);

/** Log-probabilities by hand, the continuation alone after the prompt. */
function byHand(before: readonly number[], tokens: readonly number[]): number[] {
  return tokens.map((token, i) => {
    const best = fakeNext([...before, ...tokens.slice(0, i)], 0, V);
    return fakeLogit(token, best, V) - fakeLogSumExp(V);
  });
}

function assertScores(
  harness: Harness,
  id: number,
  before: readonly number[],
  tokens: readonly number[][],
): void {
  const { score, failure } = harness.outcome(id).end!;
  assert.equal(failure, undefined);
  assert.equal(score!.tokenLogProbs.length, tokens.length);
  for (const [i, one] of tokens.entries()) {
    const expected = byHand(before, one);
    assert.equal(score!.tokenLogProbs[i]!.length, expected.length);
    for (const [j, value] of expected.entries())
      assert(Math.abs(score!.tokenLogProbs[i]![j]! - value) < 1e-5, `continuation ${i}, token ${j}`);
  }
}

test('labels after a short prompt take one row of one step, and no page', async () => {
  const harness = startHarness({ stepTokens: 64 });
  const tokens = [continuation(2, 1), continuation(4, 2), continuation(1, 3), continuation(4, 4)];
  harness.core.post(
    scoreMessage({
      id: 1,
      prompt: Int32Array.from(prompt(20)),
      continuations: tokens.map((t) => Int32Array.from(t)),
    }),
  );
  await harness.finish();
  assertScores(harness, 1, prompt(20), tokens);
  assert.equal(harness.runtime.steps.length, 1);
  const [row] = harness.runtime.steps[0]!;
  assert.equal(row!.tokens.length, 20 + 1 + 3 + 0 + 3);
  assert.equal(row!.store, 0);
  assert.equal(row!.pages.length, 0);
});

test('every split of prompts and continuations over steps scores as each continuation alone', async () => {
  const cases: { prompt: number; lengths: number[] }[] = [];
  for (const length of [1, 2, 7, 8, 9, 15, 16, 17, 40]) {
    for (const lengths of [[1], [3, 1, 4], [9], [30, 2, 30], [16, 17, 18], [2, 2, 2, 2, 2, 2, 2, 2, 2, 2]])
      cases.push({ prompt: length, lengths });
  }
  for (const stepTokens of [2, 5, 16, 200]) {
    const harness = startHarness({ stepTokens, slots: 5 }, { pageCount: 80 });
    const tokensOf = (id: number): number[][] =>
      cases[id]!.lengths.map((length, i) => continuation(length, i + id));
    for (const [id, { prompt: length }] of cases.entries()) {
      const continuations = tokensOf(id).map((tokens) => Int32Array.from(tokens));
      harness.core.post(scoreMessage({ id, prompt: Int32Array.from(prompt(length)), continuations }));
    }
    await harness.finish();
    for (const [id, { prompt: length }] of cases.entries())
      assertScores(harness, id, prompt(length), tokensOf(id));
    for (const rows of harness.runtime.steps)
      for (const row of rows) assert(row.tokens.length <= stepTokens, 'a row passes the budget');
  }
});

test('logits come for the last or for every prompt token, whole or the best, however the prompt is split', async () => {
  const text = prompt(23);
  const best = text.map((_, i) => fakeNext(text.slice(0, i + 1), 0, V));
  for (const stepTokens of [4, 100]) {
    for (const continuations of [
      [],
      [Int32Array.from(continuation(3, 1))],
      [Int32Array.from(continuation(30, 1))],
    ]) {
      const harness = startHarness({ stepTokens });
      const base = { prompt: Int32Array.from(text), continuations };
      harness.core.post(scoreMessage({ id: 1, ...base, logits: 'prompt' }));
      harness.core.post(scoreMessage({ id: 2, ...base, logits: 'last', topK: 3 }));
      await harness.finish();
      const all = harness.outcome(1).end!.score!.logits!;
      assert.deepEqual([all.rows, all.columns, all.ids], [23, V, null]);
      for (let row = 0; row < 23; row++) {
        for (let id = 0; id < V; id++) assert.equal(all.values[row * V + id], fakeLogit(id, best[row]!, V));
        assert(Math.abs(all.logSumExp[row]! - fakeLogSumExp(V)) < 1e-5);
      }
      const last = harness.outcome(2).end!.score!.logits!;
      assert.deepEqual(
        [...last.ids!],
        [0, 1, 2].map((i) => (best[22]! + i) % V),
      );
      assert.deepEqual([...last.values].map(Math.abs), [0, 0.25, 0.5]);
    }
  }
});

test('groups hold as many continuations as fit a row beside one prompt token; a longer one is alone', () => {
  assert.deepEqual(groupContinuations([], 8), [{ members: [], fed: 0 }]);
  assert.deepEqual(groupContinuations([4, 4, 3], 8), [
    { members: [0, 1], fed: 6 },
    { members: [2], fed: 2 },
  ]);
  assert.deepEqual(groupContinuations([20, 1, 2], 8), [
    { members: [0], fed: 19 },
    { members: [1, 2], fed: 1 },
  ]);
});
