import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bootstrapMean, quantile } from '#shared/statistics/bootstrap.js';

test('the interval is that of scipy.stats.bootstrap, within what resampling wavers', () => {
  // scipy 1.17, method "percentile": 200 000 resamples for the first, 100 000 for the second, three seeds alike.
  const graded = Array.from({ length: 60 }, (_, i) => (((i * 7) % 11) - 4) / 7);
  const signs = [...Array(45).fill(1), ...Array(20).fill(-1), ...Array(235).fill(0)] as number[];
  for (const [differences, estimate, low, high] of [
    [graded, 0.145238, 0.030952, 0.259524],
    [signs, 0.083333, 0.033333, 0.136667],
  ] as const) {
    const found = bootstrapMean(differences, { seed: 1n });
    const waver = (high - low) / 40;
    assert(Math.abs(found.estimate - estimate) < 1e-6);
    assert(Math.abs(found.low - low) < waver, `low ${found.low}, not ${low}`);
    assert(Math.abs(found.high - high) < waver, `high ${found.high}, not ${high}`);
  }
});

test('equal seeds give equal intervals, others do not', () => {
  const values = Array.from({ length: 301 }, (_, i) => Math.sin(i));
  assert.deepEqual(bootstrapMean(values, { seed: 3n }), bootstrapMean(values, { seed: 3n }));
  assert.notDeepEqual(bootstrapMean(values, { seed: 3n }), bootstrapMean(values, { seed: 4n }));
});

test('quantiles are NumPy’s', () => {
  const sorted = Float64Array.of(1, 2, 4, 8);
  const found = [0.025, 0.3, 0.5, 0.975].map((p) => quantile(sorted, p));
  for (const [i, expected] of [1.075, 1.9, 3, 7.7].entries()) assert(Math.abs(found[i]! - expected) < 1e-12);
});

test('nothing compared says nothing', () => {
  assert.ok(Number.isNaN(bootstrapMean([], { seed: 1n }).low));
});

test('the interval holds the true mean about as often as it says', () => {
  let held = 0;
  const rounds = 400;
  for (let round = 0; round < rounds; round++) {
    const values = Array.from(
      { length: 100 },
      (_, i) => (Math.sin(12.9898 * (round * 100 + i)) * 43758.5453) % 1,
    );
    const fractions = values.map((value) => Math.abs(value));
    const { low, high } = bootstrapMean(fractions, { seed: BigInt(round), resamples: 1000 });
    if (low <= 0.5 && 0.5 <= high) held++;
  }
  assert(held / rounds > 0.91 && held / rounds < 0.98, `held ${held / rounds}`);
});
