import type { KlKind } from '../graph/gradient.js';

/** Sizes of one run. */
export interface PartSizes {
  readonly rows: number;
  /** Tokens a row, padded. */
  readonly tokensPerRow: number;
  /** Tokens whose next token is scored, over all rows. */
  readonly wanted: number;
}

/** One run's rows as rectangles. */
export interface GradientPart extends PartSizes {
  /** [rows, tokensPerRow]. */
  readonly tokens: Int32Array;
  /** [rows, tokensPerRow]. */
  readonly positions: Int32Array;
  /** Added to the scores, [rows, 1, tokensPerRow, tokensPerRow]. */
  readonly mask: Float32Array;
  /** σ∘m'∘c of each row, [rows, 1, R]. */
  readonly spectra: Float32Array;
  /** Into rows · tokensPerRow, [wanted]. */
  readonly positionsWanted: Int32Array;
  /** The next token of each, [wanted]. */
  readonly targets: Int32Array;
  /** d loss / d log π of each, [wanted]. */
  readonly logProbSeeds: Float32Array;
  /** d loss / d KL of each, [wanted]; unused where no KL is computed. */
  readonly klSeeds: Float32Array;
}

/** Results of one run. */
export interface PartResult {
  /** log π of each wanted token's target. */
  readonly logProbs: Float32Array;
  /** KL of each wanted token; null where none is computed. */
  readonly kl: Float32Array | null;
  /** d loss / d spectrum of each row, [rows, R]. */
  readonly gradient: Float32Array;
}

/** Differentiates a model on one device. One run at a time, from one thread. */
export interface GradientRuntime {
  /** Bytes that a run needs at most, beside the weights. */
  runBytes(kl: KlKind, sizes: PartSizes): number;
  run(kl: KlKind, part: GradientPart): Promise<PartResult>;
  dispose(): Promise<void>;
}

/** What every gradient runtime is made from. */
export interface GradientRuntimeOptions<Model> {
  /** Folder of the prepared model. */
  readonly folder: string;
  readonly model: Model;
  /** Threads inside an operator. */
  readonly threads: number;
  /** The base's spectrum, [R]. */
  readonly base: Float32Array;
}
