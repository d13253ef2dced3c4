import { RandomStream } from '../random.js';
import type { Interval } from './wilson.js';

/** How a bootstrap is made. */
export interface BootstrapOptions {
  /** Equal seeds give equal intervals, bit for bit. */
  readonly seed: bigint;
  /** Resamples. Default 10 000: the ends of a 95 % interval then waver by about a fiftieth of its half width. */
  readonly resamples?: number;
}

/**
 * Mean of paired differences with its 95 % percentile interval (B. Efron 1979): items are drawn with replacement, both of an
 * item's results together; the ends are the 2.5 % and 97.5 % quantiles of the resampled means, by linear interpolation.
 * For yes-or-no results see paired.ts too: with few items that tell the two apart, this interval is too short.
 * Nothing compared: NaN.
 */
export function bootstrapMean(differences: readonly number[], options: BootstrapOptions): Interval {
  const n = differences.length;
  if (n === 0) return { estimate: Number.NaN, low: Number.NaN, high: Number.NaN };
  const { seed, resamples = 10_000 } = options;
  const stream = new RandomStream(seed, 0);
  const means = new Float64Array(resamples);
  for (let r = 0; r < resamples; r++) {
    let sum = 0;
    for (let i = 0; i < n; i++) sum += differences[Math.floor(stream.uniform() * n)]!;
    means[r] = sum / n;
  }
  means.sort();
  return {
    estimate: differences.reduce((sum, value) => sum + value, 0) / n,
    low: quantile(means, 0.025),
    high: quantile(means, 0.975),
  };
}

/** The p-quantile of sorted values, linear between order statistics (R's type 7, NumPy's default). */
export function quantile(sorted: Float64Array, p: number): number {
  const at = (sorted.length - 1) * p;
  const below = Math.floor(at);
  const above = Math.min(below + 1, sorted.length - 1);
  return sorted[below]! + (at - below) * (sorted[above]! - sorted[below]!);
}
