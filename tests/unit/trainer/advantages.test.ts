import assert from 'node:assert/strict';
import { test } from 'node:test';
import { advantagesOf } from '#services/trainer/advantages.js';

const REWARDS = [
  [1, -1, -1, 1],
  [1, 1, 1, 1],
  [-1, -1, -1, 1],
];

test('without a baseline the reward itself counts', () => {
  assert.deepEqual(advantagesOf(REWARDS, 'none', 'none'), REWARDS);
});

test('leave-one-out subtracts the mean of the question’s other answers, by hand', () => {
  const third = 1 / 3;
  const expected = [
    [1 + third, -1 - third, -1 - third, 1 + third],
    [0, 0, 0, 0],
    [-1 + third, -1 + third, -1 + third, 2],
  ];
  advantagesOf(REWARDS, 'leave-one-out', 'none').forEach((own, i) => {
    for (const [j, value] of own.entries()) assert(Math.abs(value - expected[i]![j]!) < 1e-15);
  });
});

test('the batch’s mean is subtracted from all', () => {
  // Seven 1s and five −1s: mean 1/6, standard deviation √(1 − 1/36).
  const [first] = advantagesOf(REWARDS, 'batch-mean', 'deviation');
  const deviation = Math.sqrt(1 - 1 / 36);
  assert(Math.abs(first![0]! - (1 - 1 / 6) / deviation) < 1e-12);
  assert(Math.abs(first![1]! - (-1 - 1 / 6) / deviation) < 1e-12);
});

test('equal advantages are not divided by a deviation of nothing', () => {
  assert.deepEqual(advantagesOf([[1, 1]], 'leave-one-out', 'deviation'), [[0, 0]]);
  assert.deepEqual(advantagesOf([[1], [1]], 'none', 'deviation'), [[1], [1]]);
});
