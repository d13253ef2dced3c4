/**
 * The runtime: owns a model's weights and KV storage on one device. The engine plans steps and never sees a tensor
 * library; int8 and device-resident runtimes fit behind this interface.
 *
 * KV storage is paged: a page holds the keys and values of `pageTokens` consecutive positions of one sequence, for all
 * layers and heads. The engine owns the page numbers (allocate, share, free); the runtime owns what is in them.
 */

/** One row of a step: some new tokens of one sequence, under one spectrum. */
export interface StepRow {
  /** New token ids, at least one. */
  readonly tokens: Int32Array;
  /** Position of each token in its sequence (rotary embedding, sliding window). */
  readonly positions: Int32Array;
  /** Pages with the sequence's past, oldest first; they hold at least `pastLength` positions. */
  readonly pages: Int32Array;
  /** Positions of the past that are valid; position p of the past lies in page floor(p / pageTokens). */
  readonly pastLength: number;
  /**
   * Which new tokens each new token sees, beside the past: null = causal (all before it, and itself). Otherwise branch
   * ids: −1 = trunk (seen by every later token), b ≥ 0 = seen by itself and by later tokens of the same branch only.
   */
  readonly branches: Int32Array | null;
  /** Number of leading new tokens whose keys and values are stored (positions pastLength…); the rest are computed and dropped. */
  readonly store: number;
  /** Handle of the spectrum (σ∘m'∘c of every adapted matrix) to apply. */
  readonly spectrum: SpectrumHandle;
  /** Indices into `tokens` whose logits are wanted, rising; one may stand several times, for several targets. */
  readonly wanted: Int32Array;
}

/** A composed spectrum that is resident in the runtime. */
export type SpectrumHandle = number & { readonly __brand: 'spectrum' };

/** What a step shall return for each wanted token, in the order of rows and of `wanted`. */
export interface StepOutputs {
  /** The best k of each; 0 = none. */
  readonly topK: number;
  /** Whole rows of logits. */
  readonly fullLogits: boolean;
  /** For each wanted token, a token id whose logit is wanted, or −1; null = none. */
  readonly targets: Int32Array | null;
}

/** Results of a step; N = number of wanted tokens over all rows. Views are valid until the next step. */
export interface StepResult {
  /** log Σ exp of each row, [N]. */
  readonly logSumExp: Float32Array;
  /** [N, topK], best first. */
  readonly topValues: Float32Array | null;
  /** [N, topK]. */
  readonly topIds: Int32Array | null;
  /** [N, vocabulary]. */
  readonly logits: Float32Array | null;
  /** [N]; undefined content where the target was −1. */
  readonly targetLogits: Float32Array | null;
}

/** What a runtime can do and how large it is. */
export interface RuntimeInfo {
  readonly vocabularySize: number;
  readonly contextLength: number;
  readonly pageTokens: number;
  readonly pageCount: number;
  /** Length of a spectrum: Σ of the ranks of the adapted matrices. */
  readonly spectrumLength: number;
  /** Bytes of weights, of KV storage. */
  readonly weightBytes: number;
  readonly kvBytes: number;
}

/** See the head of this file. One call at a time; every method is used from one thread. */
export interface Runtime {
  readonly info: RuntimeInfo;
  /** Makes a spectrum (f32, length spectrumLength, adapted matrices in model order) resident. Copies it. */
  addSpectrum(spectrum: Float32Array): SpectrumHandle;
  /** Forgets a spectrum that no later step uses. */
  removeSpectrum(handle: SpectrumHandle): void;
  /** Runs one step: all rows together. Every row of one step should have a like number of tokens, since rows are padded. */
  step(rows: readonly StepRow[], outputs: StepOutputs): Promise<StepResult>;
  /** Copies the first `tokens` positions of a page to another page (for sequences that share a partly filled page). */
  copyPage(from: number, to: number, tokens: number): void;
  /** Frees weights and storage. */
  dispose(): Promise<void>;
}
