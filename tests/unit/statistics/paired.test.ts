import assert from 'node:assert/strict';
import { test } from 'node:test';
import { comparePaired, type Pair } from '#shared/statistics/paired.js';
import { wilson } from '#shared/statistics/wilson.js';

const near = (actual: number, expected: number, digits: number): void =>
  assert(Math.abs(actual - expected) < 0.5 * 10 ** -digits + 1e-12, `${actual} is not ${expected}`);

/** Pairs of a fourfold table: both right, only the first, only the second, none. */
function table(both: number, first: number, second: number, none: number): Pair[] {
  const many = (count: number, a: boolean, b: boolean): Pair[] =>
    Array.from({ length: count }, () => ({ first: a, second: b }));
  return [
    ...many(both, true, true),
    ...many(first, true, false),
    ...many(second, false, true),
    ...many(none, false, false),
  ];
}

test("Wilson's interval gives Newcombe's published values", () => {
  // R. G. Newcombe, Statistics in Medicine 17 (1998) 857–872, table I, method 3.
  for (const [right, asked, low, high] of [
    [81, 263, 0.2553, 0.3662],
    [15, 148, 0.0624, 0.1605],
    [0, 20, 0, 0.1611],
    [1, 29, 0.0061, 0.1718],
  ] as const) {
    const interval = wilson(right, asked);
    near(interval.low, low, 4);
    near(interval.high, high, 4);
    const mirrored = wilson(asked - right, asked);
    near(mirrored.low, 1 - high, 4);
    near(mirrored.high, 1 - low, 4);
  }
});

test('nothing asked says nothing', () => {
  assert.deepEqual(wilson(0, 0), { estimate: Number.NaN, low: 0, high: 1 });
  const none = comparePaired([]);
  assert.deepEqual(none.difference, { estimate: Number.NaN, low: -1, high: 1 });
  assert.equal(none.p, 1);
});

test('the paired interval gives published values', () => {
  // Complete response before and after consolidation therapy (Cavo et al. 2012) in Fagerland, Lydersen and Laake,
  // Statistical Analysis of Contingency Tables (2017), chapter 8: Newcombe square-and-add.
  const found = comparePaired(table(59, 16, 6, 80));
  assert.deepEqual(
    [found.items, found.bothRight, found.firstOnly, found.secondOnly, found.bothWrong],
    [161, 59, 16, 6, 80],
  );
  near(found.difference.estimate, -0.0621, 4);
  near(found.difference.low, -0.1186, 4);
  near(found.difference.high, -0.0046, 4);
});

test('swapping the strategies mirrors the comparison', () => {
  const there = comparePaired(table(5, 3, 11, 7));
  const back = comparePaired(table(5, 11, 3, 7));
  near(there.difference.low, -back.difference.high, 12);
  near(there.difference.high, -back.difference.low, 12);
  assert.equal(there.p, back.p);
});

test('the exact McNemar p is the binomial tail, by hand', () => {
  // Σ C(8, k), k ≤ 1 = 9 of 256; Σ C(22, k), k ≤ 6 = 110 056 of 4 194 304.
  near(comparePaired(table(1, 1, 7, 12)).p, (2 * 9) / 256, 12);
  near(comparePaired(table(59, 16, 6, 80)).p, (2 * 110_056) / 4_194_304, 12);
  near(comparePaired(table(0, 0, 10, 0)).p, 2 / 1024, 12);
  assert.equal(comparePaired(table(4, 3, 3, 4)).p, 1);
  assert.equal(comparePaired(table(4, 0, 0, 4)).p, 1);
});

test('the exact p stays finite and small for thousands of pairs', () => {
  const { p } = comparePaired(table(0, 4000, 5000, 0));
  assert(p > 0 && p < 1e-20, String(p));
});

test('the interval holds the true difference about as often as it says, for correlated pairs', () => {
  const random = mulberry(7);
  let covered = 0;
  const rounds = 2000;
  // P(both) = .4, P(first only) = .1, P(second only) = .25, P(none) = .25: a difference of .15.
  for (let round = 0; round < rounds; round++) {
    const pairs = Array.from({ length: 60 }, () => {
      const x = random();
      return { first: x < 0.5, second: x < 0.4 || (x >= 0.5 && x < 0.75) };
    });
    const { low, high } = comparePaired(pairs).difference;
    if (low <= 0.15 && 0.15 <= high) covered++;
  }
  const share = covered / rounds;
  assert(share > 0.93 && share < 0.98, `covered ${share}`);
});

/** A small seeded generator (mulberry32), uniform in [0, 1). */
function mulberry(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
