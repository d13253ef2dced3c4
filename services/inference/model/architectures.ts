import type { ModelConfig } from './prepared.js';

/** What differs between the architectures when config.json is silent, and which of its fields count. */
export interface Architecture {
  /** The class that `architectures` in config.json must name. */
  readonly className: string;
  /** Key-value heads if the field is missing; null = as many as query heads. From transformers' config classes. */
  readonly keyValueHeadsDefault: number | null;
  /** Size of a head if the field is missing; null = hidden size / heads. */
  readonly headSizeDefault: number | null;
  /** Biases on q, k and v: always, never, or as `attention_bias` says. */
  readonly attentionBias: boolean | 'attention_bias';
  /** Bias on o. */
  readonly outputBias: boolean | 'attention_bias';
  /** Biases of the MLP. */
  readonly feedForwardBias: boolean | 'mlp_bias';
  /** RMSNorm on q and k. */
  readonly queryKeyNorm: boolean;
  /** How a sliding window is said: not at all, by `sliding_window` alone, or also by `use_sliding_window` and layers. */
  readonly slidingWindow: 'none' | 'always' | 'switched';
}

/** The supported architectures, by `model_type`. To add one: a line here; the graph reads the flags of `ModelConfig`. */
export const ARCHITECTURES: Readonly<Record<ModelConfig['architecture'], Architecture>> = {
  llama: {
    className: 'LlamaForCausalLM',
    keyValueHeadsDefault: null,
    headSizeDefault: null,
    attentionBias: 'attention_bias',
    outputBias: 'attention_bias',
    feedForwardBias: 'mlp_bias',
    queryKeyNorm: false,
    slidingWindow: 'none',
  },
  mistral: {
    className: 'MistralForCausalLM',
    keyValueHeadsDefault: 8,
    headSizeDefault: null,
    attentionBias: false,
    outputBias: false,
    feedForwardBias: false,
    queryKeyNorm: false,
    slidingWindow: 'always',
  },
  qwen2: {
    className: 'Qwen2ForCausalLM',
    keyValueHeadsDefault: 32,
    headSizeDefault: null,
    attentionBias: true,
    outputBias: false,
    feedForwardBias: false,
    queryKeyNorm: false,
    slidingWindow: 'switched',
  },
  qwen3: {
    className: 'Qwen3ForCausalLM',
    keyValueHeadsDefault: 32,
    headSizeDefault: 128,
    attentionBias: 'attention_bias',
    outputBias: 'attention_bias',
    feedForwardBias: false,
    queryKeyNorm: true,
    slidingWindow: 'switched',
  },
};
