import { traceScale } from './compose.js';
import type { Expert, SpectralMatrix } from './model.js';

/** An expert counts as folded if every c = Σσ / Σ(σ∘m) is this close to 1. */
const FOLDED_TOLERANCE = 1e-6;

/**
 * Folds a `trace` expert's scale into its multipliers, m ← m·Σσ / Σ(σ∘m), so that every arm of a mixture has the base's
 * scale. Returns the expert itself if it is folded already or normalised `none`.
 */
export function foldTrace(matrices: readonly SpectralMatrix[], expert: Expert): Expert {
  if (expert.normalisation !== 'trace') return expert;
  let changed = false;
  const multipliers = new Map<string, Float32Array>(expert.multipliers);
  for (const matrix of matrices) {
    const vector = multipliers.get(matrix.name);
    if (!vector) continue;
    const scale = traceScale(matrix, vector);
    if (Math.abs(scale - 1) <= FOLDED_TOLERANCE) continue;
    changed = true;
    multipliers.set(
      matrix.name,
      vector.map((value) => value * scale),
    );
  }
  return changed ? { normalisation: 'trace', multipliers } : expert;
}
