import { type Interval, wilson } from './wilson.js';

/** Two yes-or-no results of one item. */
export interface Pair {
  readonly first: boolean;
  readonly second: boolean;
}

/** How two strategies differ on the same items. */
export interface PairedComparison {
  /** Number of items. */
  readonly items: number;
  readonly bothRight: number;
  /** Right under the first, wrong under the second. */
  readonly firstOnly: number;
  /** Wrong under the first, right under the second. */
  readonly secondOnly: number;
  readonly bothWrong: number;
  /** Accuracy of the second minus that of the first, [-1, 1], with a 95 % interval. */
  readonly difference: Interval;
  /** Two-sided exact McNemar p: how often equal strategies would differ at least as much, [0, 1]. */
  readonly p: number;
}

/**
 * Compares two strategies on the same items.
 * Interval: Newcombe's square-and-add with Wilson limits and his corrected φ (R. G. Newcombe, Statistics in Medicine 17
 * (1998) 2635–2650, method 10). p: the exact conditional test of McNemar (Binomial(discordant, 1/2), both tails).
 * Nothing compared: difference NaN in [-1, 1], p = 1.
 */
export function comparePaired(pairs: readonly Pair[]): PairedComparison {
  const count = (first: boolean, second: boolean): number =>
    pairs.filter((pair) => pair.first === first && pair.second === second).length;
  const bothRight = count(true, true);
  const firstOnly = count(true, false);
  const secondOnly = count(false, true);
  const bothWrong = count(false, false);
  return {
    items: pairs.length,
    bothRight,
    firstOnly,
    secondOnly,
    bothWrong,
    difference: differenceOf(bothRight, secondOnly, firstOnly, bothWrong),
    p: mcNemarExact(firstOnly, secondOnly),
  };
}

/** Newcombe's method 10 for (e + f)/n − (e + g)/n of the fourfold table e, f, g, h. */
function differenceOf(e: number, f: number, g: number, h: number): Interval {
  const n = e + f + g + h;
  if (n === 0) return { estimate: Number.NaN, low: -1, high: 1 };
  const a = wilson(e + f, n);
  const b = wilson(e + g, n);
  const phi = correlation(e, f, g, h);
  const limit = (x: number, y: number): number => Math.sqrt(Math.max(0, x * x - 2 * phi * x * y + y * y));
  const estimate = (f - g) / n;
  return {
    estimate,
    low: estimate - limit(a.estimate - a.low, b.high - b.estimate),
    high: estimate + limit(b.estimate - b.low, a.high - a.estimate),
  };
}

/** φ with the continuity correction of method 10: a positive eh − fg is lowered by n/2, but not below 0. */
function correlation(e: number, f: number, g: number, h: number): number {
  const product = (e + f) * (g + h) * (e + g) * (f + h);
  if (product === 0) return 0;
  const raw = e * h - f * g;
  const corrected = raw > 0 ? Math.max(raw - (e + f + g + h) / 2, 0) : raw;
  return corrected / Math.sqrt(product);
}

/** min(1, 2·P(X ≤ min(b, c))) with X ~ Binomial(b + c, 1/2). */
function mcNemarExact(b: number, c: number): number {
  const n = b + c;
  let log = -n * Math.LN2;
  let tail = 0;
  for (let k = 0; k <= Math.min(b, c); k++) {
    tail += Math.exp(log);
    log += Math.log((n - k) / (k + 1));
  }
  return Math.min(1, 2 * tail);
}
