import type { WideFactors } from './decompose-wide.js';

/**
 * Fixes the sign of every pair of singular vectors, in place: in each vector of the short side (a column of `u`, [rank,
 * rank]) the entry of largest magnitude is positive; of equal magnitudes the first one counts.
 */
export function applySignRule({ u, vt, sigma }: WideFactors): void {
  const rank = sigma.length;
  const columns = vt.length / rank;
  for (let i = 0; i < rank; i++) {
    let largest = 0;
    for (let row = 0; row < rank; row++) {
      const entry = u[row * rank + i]!;
      if (Math.abs(entry) > Math.abs(largest)) largest = entry;
    }
    if (largest >= 0) continue;
    for (let row = 0; row < rank; row++) u[row * rank + i] = -u[row * rank + i]!;
    for (let j = i * columns; j < (i + 1) * columns; j++) vt[j] = -vt[j]!;
  }
}
