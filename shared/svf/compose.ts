import { ZmeshError } from '../errors.js';
import type { Expert, NormalisationName, SpectralMatrix } from './model.js';

/** Most arms of one mixture. */
export const ARMS_MAX = 64;

/** One arm of a mixture whose expert is at hand; `expert: null` = the base (m = 1). */
export interface Arm {
  /** What errors and hashes call it: `expert@version`, or `base`. */
  readonly name: string;
  readonly expert: Expert | null;
  /** Weight in every matrix, finite, ≥ 0. */
  readonly alpha: number;
  /** Weight by matrix, overrides `alpha`. */
  readonly alphaPerMatrix: ReadonlyMap<string, number>;
}

/**
 * Checks a mixture without its vectors: α finite and ≥ 0, not all zero, no expert twice, at most ARMS_MAX arms.
 * Throws BAD_MIXTURE. An empty mixture is sound: it is the base.
 */
export function checkArms(arms: readonly Omit<Arm, 'expert'>[], field = 'mixture.arms'): void {
  if (arms.length > ARMS_MAX) {
    throw new ZmeshError('BAD_MIXTURE', `a mixture has at most ${ARMS_MAX} arms, not ${arms.length}`, {
      field,
      limit: ARMS_MAX,
      value: arms.length,
    });
  }
  const seen = new Set<string>();
  let weight = 0;
  for (const arm of arms) {
    if (seen.has(arm.name))
      throw new ZmeshError('BAD_MIXTURE', `${arm.name} stands twice in the mixture`, {
        field,
        names: { expert: arm.name },
      });
    seen.add(arm.name);
    for (const alpha of [arm.alpha, ...arm.alphaPerMatrix.values()]) {
      if (!(Number.isFinite(alpha) && alpha >= 0)) {
        throw new ZmeshError('BAD_MIXTURE', `α of ${arm.name} is ${alpha}; it must be finite and >= 0`, {
          field,
          value: alpha,
          limit: 0,
          names: { expert: arm.name },
        });
      }
      weight = Math.max(weight, alpha);
    }
  }
  if (arms.length > 0 && weight === 0)
    throw new ZmeshError('BAD_MIXTURE', 'every α of the mixture is zero', { field, value: 0 });
}

/**
 * The normalisation that all experts of a mixture share; null = the base alone. The base goes with either: under `trace`
 * its scale is 1. Throws MIXED_NORMALISATION.
 */
export function sharedNormalisation(arms: readonly Arm[]): NormalisationName | null {
  let shared: NormalisationName | null = null;
  let first = '';
  for (const { expert, name } of arms) {
    if (!expert) continue;
    if (shared !== null && expert.normalisation !== shared) {
      throw new ZmeshError(
        'MIXED_NORMALISATION',
        `${first} is normalised "${shared}" and ${name} "${expert.normalisation}": they cannot be mixed`,
        { names: { expert: name } },
      );
    }
    shared = expert.normalisation;
    first = name;
  }
  return shared;
}

/**
 * Composes a mixture: for each matrix m' = Σ α·m, then s = σ∘m'∘c with c = Σσ / Σ(σ∘m') under `trace` and 1 under `none`
 * (arXiv 2501.06252 §3; the published code's scale). Sums are in f64; the result is f32, matrices one after another in
 * the model's order. No arms = σ itself. Throws BAD_MIXTURE for unsound α (also where all α of one matrix are zero),
 * MIXED_NORMALISATION, UNKNOWN_MATRIX and WRONG_SHAPE for vectors that are not the model's.
 */
export function composeSpectrum(matrices: readonly SpectralMatrix[], arms: readonly Arm[]): Float32Array {
  checkArms(arms);
  checkMatrices(matrices, arms);
  const normalisation = sharedNormalisation(arms);
  const spectrum = new Float32Array(matrices.reduce((length, matrix) => length + matrix.sigma.length, 0));
  let offset = 0;
  for (const matrix of matrices) {
    writeSpectrum(spectrum, offset, matrix, mixMultipliers(matrix, arms), normalisation);
    offset += matrix.sigma.length;
  }
  return spectrum;
}

/** m' = Σ α·m of one matrix, f64; null where there are no arms (m' = 1). */
export function mixMultipliers(matrix: SpectralMatrix, arms: readonly Arm[]): Float64Array | null {
  if (arms.length === 0) return null;
  const mixed = new Float64Array(matrix.sigma.length);
  let weight = 0;
  for (const arm of arms) {
    const alpha = arm.alphaPerMatrix.get(matrix.name) ?? arm.alpha;
    if (alpha === 0) continue;
    weight += alpha;
    const multipliers = arm.expert?.multipliers.get(matrix.name);
    if (!multipliers) for (let i = 0; i < mixed.length; i++) mixed[i]! += alpha;
    else for (let i = 0; i < mixed.length; i++) mixed[i]! += alpha * multipliers[i]!;
  }
  if (weight === 0)
    throw new ZmeshError('BAD_MIXTURE', `every α is zero for ${matrix.name}`, {
      value: 0,
      names: { matrix: matrix.name },
    });
  return mixed;
}

function writeSpectrum(
  out: Float32Array,
  offset: number,
  matrix: SpectralMatrix,
  mixed: Float64Array | null,
  normalisation: NormalisationName | null,
): void {
  const { sigma } = matrix;
  if (!mixed) {
    for (let i = 0; i < sigma.length; i++) out[offset + i] = sigma[i]!;
    return;
  }
  const scale = normalisation === 'trace' ? traceScale(matrix, mixed) : 1;
  for (let i = 0; i < sigma.length; i++) out[offset + i] = sigma[i]! * mixed[i]! * scale;
}

/** c = Σσ / Σ(σ∘m). 1 for a zero matrix. Throws BAD_MIXTURE where Σ(σ∘m) vanishes: nothing is left to scale. */
export function traceScale(matrix: SpectralMatrix, multipliers: Float64Array | Float32Array): number {
  let total = 0;
  let scaled = 0;
  for (let i = 0; i < multipliers.length; i++) {
    total += matrix.sigma[i]!;
    scaled += matrix.sigma[i]! * multipliers[i]!;
  }
  if (total === 0) return 1;
  if (!(scaled > 0))
    throw new ZmeshError('BAD_MIXTURE', `the mixture leaves nothing of ${matrix.name} to scale`, {
      value: scaled,
      names: { matrix: matrix.name },
    });
  return total / scaled;
}

function checkMatrices(matrices: readonly SpectralMatrix[], arms: readonly Arm[]): void {
  const ranks = new Map(matrices.map((matrix) => [matrix.name, matrix.sigma.length]));
  const known = (matrix: string, arm: Arm): number => {
    const rank = ranks.get(matrix);
    if (rank === undefined)
      throw new ZmeshError(
        'UNKNOWN_MATRIX',
        `${arm.name} adapts ${matrix}, which the model does not adapt here`,
        { names: { expert: arm.name, matrix } },
      );
    return rank;
  };
  for (const arm of arms) {
    for (const matrix of arm.alphaPerMatrix.keys()) known(matrix, arm);
    for (const [matrix, multipliers] of arm.expert?.multipliers ?? []) {
      const rank = known(matrix, arm);
      if (multipliers.length !== rank) {
        throw new ZmeshError(
          'WRONG_SHAPE',
          `${arm.name} has ${multipliers.length} multipliers for ${matrix}, whose rank is ${rank}`,
          { limit: rank, value: multipliers.length, names: { expert: arm.name, matrix } },
        );
      }
    }
  }
}
