/** One adapted matrix as mixing needs it. */
export interface SpectralMatrix {
  /** The checkpoint's weight name. */
  readonly name: string;
  /** Singular values σ, falling, length = rank. */
  readonly sigma: Float64Array;
}

/** How σ∘m' is scaled after mixing: `none` as in the paper; `trace`: also times Σσ / Σ(σ∘m') for each matrix, as the published code. */
export type NormalisationName = 'none' | 'trace';

/** An expert's vectors: multipliers m ≥ 0 by weight name, in the order of falling σ. A matrix it lacks counts as m = 1. */
export interface Expert {
  readonly normalisation: NormalisationName;
  readonly multipliers: ReadonlyMap<string, Float32Array>;
}
