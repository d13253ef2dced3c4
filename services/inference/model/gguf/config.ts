import { badGguf } from './errors.js';
import type { GgufTensor } from './header.js';
import type { Metadata } from './metadata.js';

/** Architectures of GGUF files that can be read, and the Hugging Face classes they stand for. */
const ARCHITECTURES: Readonly<Record<string, { readonly modelType: string; readonly className: string }>> = {
  llama: { modelType: 'llama', className: 'LlamaForCausalLM' },
  qwen2: { modelType: 'qwen2', className: 'Qwen2ForCausalLM' },
  qwen3: { modelType: 'qwen3', className: 'Qwen3ForCausalLM' },
};

/**
 * A file's settings in the words of a Hugging Face `config.json`, so that one reader checks both. `mistral` files call
 * themselves `llama` and have a sliding window. Throws INVALID_FIELD by name for what the graph does not compute: other
 * architectures, mixtures of feed-forward experts, scaled or partial rotary embeddings, differing layers.
 */
export function ggufConfig(
  metadata: Metadata,
  tensors: ReadonlyMap<string, GgufTensor>,
): Record<string, unknown> {
  const { file } = metadata;
  const name = metadata.string('general.architecture');
  const architecture = Object.hasOwn(ARCHITECTURES, name) ? ARCHITECTURES[name] : undefined;
  if (!architecture) {
    throw badGguf(
      file,
      `architecture "${name}" is not supported; supported are ${Object.keys(ARCHITECTURES).join(', ')}`,
    );
  }
  refuseUnsupported(metadata, name);
  const heads = metadata.number(`${name}.attention.head_count`);
  const hiddenSize = metadata.number(`${name}.embedding_length`);
  const headSize = metadata.number(`${name}.attention.key_length`, hiddenSize / heads);
  refuseUnevenHeads(metadata, name, headSize);
  const window = metadata.number(`${name}.attention.sliding_window`, 0);
  const mistral = name === 'llama' && window > 0;
  return {
    model_type: mistral ? 'mistral' : architecture.modelType,
    architectures: [mistral ? 'MistralForCausalLM' : architecture.className],
    hidden_size: hiddenSize,
    intermediate_size: metadata.number(`${name}.feed_forward_length`),
    num_hidden_layers: metadata.number(`${name}.block_count`),
    num_attention_heads: heads,
    num_key_value_heads: metadata.number(`${name}.attention.head_count_kv`, heads),
    head_dim: headSize,
    rms_norm_eps: metadata.number(`${name}.attention.layer_norm_rms_epsilon`),
    rope_theta: metadata.number(`${name}.rope.freq_base`, 10_000),
    max_position_embeddings: metadata.number(`${name}.context_length`),
    vocab_size: tensors.get('token_embd.weight')?.shape[0],
    tie_word_embeddings: !tensors.has('output.weight'),
    attention_bias: tensors.has('blk.0.attn_output.bias'),
    mlp_bias: tensors.has('blk.0.ffn_up.bias'),
    ...(mistral ? { sliding_window: window } : {}),
    ...eosOf(metadata),
  };
}

function refuseUnsupported(metadata: Metadata, name: string): void {
  const { file } = metadata;
  const scaling = metadata.string(`${name}.rope.scaling.type`, 'none');
  if (scaling !== 'none') throw badGguf(file, `rotary scaling "${scaling}" is not supported`);
  if (metadata.number(`${name}.expert_count`, 0) > 0)
    throw badGguf(file, 'a mixture of feed-forward experts (MoE) is not supported');
  if (name !== 'llama' && metadata.number(`${name}.attention.sliding_window`, 0) > 0) {
    throw badGguf(file, `a sliding window in ${name} files is not supported`);
  }
}

function refuseUnevenHeads(metadata: Metadata, name: string, headSize: number): void {
  const rotated = metadata.number(`${name}.rope.dimension_count`, headSize);
  if (rotated !== headSize)
    throw badGguf(
      metadata.file,
      `partial rotary embeddings (${rotated} of ${headSize} dimensions) are not supported`,
    );
  const valueSize = metadata.number(`${name}.attention.value_length`, headSize);
  if (valueSize !== headSize)
    throw badGguf(
      metadata.file,
      `values of ${valueSize} dimensions beside keys of ${headSize} are not supported`,
    );
}

function eosOf(metadata: Metadata): Record<string, unknown> {
  const ids = ['eos_token_id', 'eot_token_id']
    .map((key) => `tokenizer.ggml.${key}`)
    .filter((key) => metadata.has(key));
  const bos = 'tokenizer.ggml.bos_token_id';
  return {
    eos_token_id: [...new Set(ids.map((key) => metadata.number(key)))],
    ...(metadata.has(bos) ? { bos_token_id: metadata.number(bos) } : {}),
  };
}
