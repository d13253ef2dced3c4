import type { KlKind } from '../graph/gradient.js';

/** One answer to one prompt, with its share of the loss. */
export interface GradientSequence {
  /** At least one token. */
  readonly prompt: Int32Array;
  /** At least one token. */
  readonly answer: Int32Array;
  /** Which of the task's spectra it is computed under. */
  readonly spectrum: number;
  /** d loss / d log π of each of its tokens: −weight. */
  readonly logProbSeed: number;
  /** d loss / d KL of each of its tokens. */
  readonly klSeed: number;
}

/** What a gradient is asked of. */
export interface GradientTask {
  readonly kl: KlKind;
  readonly sequences: readonly GradientSequence[];
  /** σ∘m'∘c of each mixture, [R] each. */
  readonly spectra: readonly Float32Array[];
}

/** What came out. */
export interface GradientOutcome {
  /** For each sequence, log π of each of its tokens. */
  readonly logProbs: readonly Float32Array[];
  /** For each sequence, the KL of each of its tokens; null where none was asked for. */
  readonly kl: readonly Float32Array[] | null;
  /** d loss / d spectrum of each of the task's spectra, [R] each, summed in f64. */
  readonly gradients: readonly Float64Array[];
}

/** How a task is cut. */
export interface PlanFacts {
  readonly parts: number;
  /** Tokens that are computed, padding not counted. */
  readonly computedTokens: number;
  /** Bytes that the largest part is planned to need. */
  readonly plannedBytes: number;
}
