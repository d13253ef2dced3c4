/** A measurement: when, in hours, and what. */
export interface Sample {
  readonly hours: number;
  readonly value: number;
}

/**
 * Growth per hour of a noisy series: the median of the slopes between all pairs of samples (Theil, Sen), which a few
 * garbage collections do not bend. Undefined for fewer than two samples.
 */
export function slopePerHour(samples: readonly Sample[]): number | undefined {
  const slopes = samples
    .flatMap((a, i) => samples.slice(i + 1).map((b) => (b.value - a.value) / (b.hours - a.hours)))
    .sort((a, b) => a - b);
  const middle = slopes.length >> 1;
  if (slopes.length === 0) return undefined;
  return slopes.length % 2 === 1 ? slopes[middle]! : (slopes[middle - 1]! + slopes[middle]!) / 2;
}

/** The smallest sample of each stretch of `count`: what is in use after a collection. */
export function floors(samples: readonly Sample[], count: number): readonly Sample[] {
  const stretches = Array.from({ length: Math.floor(samples.length / count) }, (_, i) =>
    samples.slice(i * count, (i + 1) * count),
  );
  return stretches.map((stretch) => stretch.reduce((low, one) => (one.value < low.value ? one : low)));
}
