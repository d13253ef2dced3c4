/** A measurement: when, in hours, and what. */
export interface Sample {
  readonly hours: number;
  readonly value: number;
}

/** Growth per hour and the interval in which it lies with 95 %. */
export interface Slope {
  readonly perHour: number;
  readonly low: number;
  readonly high: number;
}

/** Of a normal distribution, for 95 %. */
const DEVIATIONS = 1.96;

/**
 * Growth per hour of a noisy series: the median of the slopes between all pairs of samples (Theil, Sen), which a few
 * garbage collections do not bend, with Sen's interval from the variance of Kendall's statistic, n(n − 1)(2n + 5)/18. The
 * interval takes the samples for independent. Undefined for fewer than two samples.
 */
export function slopePerHour(samples: readonly Sample[]): Slope | undefined {
  const slopes = samples
    .flatMap((a, i) => samples.slice(i + 1).map((b) => (b.value - a.value) / (b.hours - a.hours)))
    .sort((a, b) => a - b);
  const { length } = slopes;
  if (length === 0) return undefined;
  const middle = length >> 1;
  const perHour = length % 2 === 1 ? slopes[middle]! : (slopes[middle - 1]! + slopes[middle]!) / 2;
  const n = samples.length;
  const reach = DEVIATIONS * Math.sqrt((n * (n - 1) * (2 * n + 5)) / 18);
  const low = slopes[Math.max(0, Math.floor((length - reach) / 2) - 1)]!;
  const high = slopes[Math.min(length - 1, Math.ceil((length + reach) / 2))]!;
  return { perHour, low, high };
}

/** The smallest sample of each stretch of `count`: what is in use after a collection. */
export function floors(samples: readonly Sample[], count: number): readonly Sample[] {
  const stretches = Array.from({ length: Math.floor(samples.length / count) }, (_, i) =>
    samples.slice(i * count, (i + 1) * count),
  );
  return stretches.map((stretch) => stretch.reduce((low, one) => (one.value < low.value ? one : low)));
}
