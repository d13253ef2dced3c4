import { type Arm, mixMultipliers, sharedNormalisation } from './compose.js';
import type { SpectralMatrix } from './model.js';

/**
 * Gradient with respect to mixed multipliers, from the gradient g with respect to the spectrum s = σ∘m'∘c that they compose
 * to, for each matrix in the model's order, f64. `none` (c = 1): σ∘g. `trace` (c = Σσ/Σ(σ∘m'), differentiated through):
 * c·σ∘(g − Σ(g∘σ∘m')/Σ(σ∘m')). The mixing itself is not differentiated.
 */
export function multiplierGradient(
  matrices: readonly SpectralMatrix[],
  arms: readonly Arm[],
  spectrumGradient: Float64Array,
): Float64Array[] {
  const normalisation = sharedNormalisation(arms);
  let offset = 0;
  return matrices.map((matrix) => {
    const { sigma } = matrix;
    const g = spectrumGradient.subarray(offset, offset + sigma.length);
    offset += sigma.length;
    if (normalisation !== 'trace') return g.map((value, i) => sigma[i]! * value);
    return throughTrace(sigma, mixMultipliers(matrix, arms), g);
  });
}

function throughTrace(sigma: Float64Array, mixed: Float64Array | null, g: Float64Array): Float64Array {
  let total = 0;
  let scaled = 0;
  let along = 0;
  for (let i = 0; i < sigma.length; i++) {
    const value = sigma[i]! * (mixed?.[i] ?? 1);
    total += sigma[i]!;
    scaled += value;
    along += g[i]! * value;
  }
  // A zero matrix keeps c = 1 whatever its multipliers are.
  if (total === 0) return new Float64Array(sigma.length);
  const scale = total / scaled;
  return g.map((value, i) => scale * sigma[i]! * (value - along / scaled));
}
