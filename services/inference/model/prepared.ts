/**
 * What a prepared model is, on disk and in memory. Written by `import.ts`, read by the runtime.
 *
 *     <home>/models/<name>/
 *       model.json                the PreparedModel below; written last, so a folder without it is unfinished
 *       weights.safetensors       every weight that is not factored, F32, under the checkpoint's names
 *       source.stamp              sizes and times of the checkpoint's files, to see quickly that nothing changed
 *       import.lock               only while an import is at work: its process id
 *       factors/<weight>.safetensors  one adapted matrix: `u` F32 [rows, rank], `sigma` F64 [rank], `vt` F32 [rank, columns]
 *       tokenizer.json, tokenizer_config.json, chat_template.jinja, generation_config.json   copies, where the checkpoint has them
 */

/** Version of the folder's layout; a reader refuses another. */
export const PREPARED_FORMAT = 1;

/** Version of the decomposition: algorithm class and sign rule. Part of the basis id. */
export const DECOMPOSITION_VERSION = 'svd-f64-1';

/** Llama-3 frequency scaling, as in `rope_scaling`/`rope_parameters` with `rope_type: llama3`. */
export interface Llama3RopeScaling {
  readonly factor: number;
  readonly lowFreqFactor: number;
  readonly highFreqFactor: number;
  readonly originalContext: number;
}

/** A checkpoint's architecture, normalised: everything that changes the computation and nothing else. */
export interface ModelConfig {
  readonly architecture: 'llama' | 'mistral' | 'qwen2' | 'qwen3';
  readonly vocabularySize: number;
  readonly hiddenSize: number;
  readonly feedForwardSize: number;
  readonly layers: number;
  readonly heads: number;
  readonly keyValueHeads: number;
  readonly headSize: number;
  readonly contextLength: number;
  readonly normEpsilon: number;
  readonly ropeTheta: number;
  readonly ropeScaling: Llama3RopeScaling | null;
  /** What each rotary frequency is divided by, [headSize / 2] (`rope_freqs` of GGUF files); absent or null = 1. */
  readonly ropeDivisors?: readonly number[] | null;
  /** Tokens a query can see, itself included; null = all. */
  readonly slidingWindow: number | null;
  readonly tiedEmbeddings: boolean;
  /** Biases on q, k and v (qwen2). */
  readonly attentionBias: boolean;
  /** Bias on o (llama with attention_bias). */
  readonly outputBias: boolean;
  /** Biases on gate, up and down (llama with mlp_bias). */
  readonly feedForwardBias: boolean;
  /** RMSNorm on q and k per head (qwen3). */
  readonly queryKeyNorm: boolean;
}

/** One linear layer of the checkpoint: y = W x, W is [rows, columns]. */
export interface LinearShape {
  /** The checkpoint's weight name, e.g. `model.layers.0.mlp.gate_proj.weight`. */
  readonly name: string;
  readonly rows: number;
  readonly columns: number;
}

/** The content of model.json. */
export interface PreparedModel {
  readonly format: number;
  readonly name: string;
  readonly config: ModelConfig;
  /** SHA-256 over the normalised config and all weights in canonical order, hex. */
  readonly fingerprint: string;
  /** `<fingerprint>:<DECOMPOSITION_VERSION>`. */
  readonly basisId: string;
  readonly parameters: number;
  /** Matrices that are kept factored, in canonical order (layer, then q k v o gate up down). */
  readonly adapted: readonly LinearShape[];
  /** Every linear of the layers in canonical order; the registry's manifest lists them, with σ of the adapted ones. */
  readonly linears: readonly LinearShape[];
  /** Ids that end an answer; the first is the end of a turn. Empty = none is known. */
  readonly eosTokenIds: readonly number[];
  readonly bosTokenId: number | null;
  /** System message for pass 1, from `zmesh.json` beside the checkpoint; null = the dispatcher's general one. */
  readonly classificationSystem: string | null;
  /** Largest relative reconstruction error over the adapted matrices, ‖W − UΣVᵀ‖_F / ‖W‖_F in f32 factors. */
  readonly reconstructionError: number;
  /** Where it came from, for people: folder name and time. */
  readonly source: { readonly folder: string; readonly preparedAt: string };
}
