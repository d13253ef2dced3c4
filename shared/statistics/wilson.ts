/** A share and its interval, each in [0, 1]. */
export interface Interval {
  readonly estimate: number;
  readonly low: number;
  readonly high: number;
}

/** The standard normal's 97.5 % quantile: two-sided 95 %. */
export const Z95 = 1.959963984540054;

/**
 * Wilson's score interval of a binomial share, 95 % (E. B. Wilson, JASA 22 (1927) 209–212; formula as in R. G. Newcombe,
 * Statistics in Medicine 17 (1998) 857–872, method 3): (2np + z² ± z·√(z² + 4np(1−p))) / (2(n + z²)).
 * Nothing asked: the whole of [0, 1], estimate NaN.
 */
export function wilson(right: number, asked: number): Interval {
  if (asked === 0) return { estimate: Number.NaN, low: 0, high: 1 };
  const z2 = Z95 * Z95;
  const wrong = asked - right;
  const centre = 2 * right + z2;
  const spread = Z95 * Math.sqrt(z2 + (4 * right * wrong) / asked);
  const scale = 2 * (asked + z2);
  return {
    estimate: right / asked,
    low: right === 0 ? 0 : (centre - spread) / scale,
    high: wrong === 0 ? 1 : (centre + spread) / scale,
  };
}
