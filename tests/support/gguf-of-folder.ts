import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { parseSafetensors } from '#shared/safetensors/safetensors.js';
import { toFloat32 } from '#shared/safetensors/to-float32.js';
import { f32, type GgufTensorInput, type GgufValue, list, str, u32, writeGguf } from './write-gguf.js';

interface HfConfig {
  readonly model_type: string;
  readonly vocab_size: number;
  readonly hidden_size: number;
  readonly intermediate_size: number;
  readonly num_hidden_layers: number;
  readonly num_attention_heads: number;
  readonly num_key_value_heads: number;
  readonly head_dim?: number | null;
  readonly max_position_embeddings: number;
  readonly rms_norm_eps: number;
  readonly sliding_window?: number | null;
  readonly rope_parameters: {
    readonly rope_theta: number;
    readonly rope_type: string;
    readonly factor?: number;
    readonly low_freq_factor?: number;
    readonly high_freq_factor?: number;
    readonly original_max_position_embeddings?: number;
  };
}

const NAMES: readonly (readonly [RegExp, string])[] = [
  [/^model\.embed_tokens\.weight$/, 'token_embd.weight'],
  [/^model\.norm\.weight$/, 'output_norm.weight'],
  [/^lm_head\.weight$/, 'output.weight'],
  [/^model\.layers\.(\d+)\.input_layernorm\./, 'blk.$1.attn_norm.'],
  [/^model\.layers\.(\d+)\.post_attention_layernorm\./, 'blk.$1.ffn_norm.'],
  [/^model\.layers\.(\d+)\.self_attn\.([qk])_norm\./, 'blk.$1.attn_$2_norm.'],
  [/^model\.layers\.(\d+)\.self_attn\.([qkv])_proj\./, 'blk.$1.attn_$2.'],
  [/^model\.layers\.(\d+)\.self_attn\.o_proj\./, 'blk.$1.attn_output.'],
  [/^model\.layers\.(\d+)\.mlp\.(gate|up|down)_proj\./, 'blk.$1.ffn_$2.'],
];

/**
 * Writes a Hugging Face folder of the goldens as F32 GGUF, the way llama.cpp's converter does: its names, q and k of the
 * llama family permuted by reshape and transpose, llama3 scaling as `rope_freqs`. Written for the tests, from the format's
 * description, independent of the importer. `parts` > 1 splits it. Returns the path of the first file.
 */
export function ggufOfFolder(folder: string, target: string, parts = 1): string {
  const config = JSON.parse(readFileSync(join(folder, 'config.json'), 'utf8')) as HfConfig;
  const { tensors } = parseSafetensors(readFileSync(join(folder, 'model.safetensors')));
  const family = config.model_type === 'mistral' ? 'llama' : config.model_type;
  const headSize = config.head_dim ?? config.hidden_size / config.num_attention_heads;
  const inputs: GgufTensorInput[] = [...tensors].map(([name, tensor]) => {
    const values = toFloat32(tensor);
    const [, kind] = family === 'llama' ? (/self_attn\.([qk])_proj/.exec(name) ?? []) : [];
    const heads = kind === 'q' ? config.num_attention_heads : config.num_key_value_heads;
    const stored = kind === undefined ? values : permute(values, heads, headSize);
    return { name: rename(name), shape: tensor.shape, type: 0, data: new Uint8Array(stored.buffer) };
  });
  const { rope_parameters: rope } = config;
  if (rope.rope_type === 'llama3') {
    const divisors = llama3Divisors(config, headSize);
    inputs.push({
      name: 'rope_freqs.weight',
      shape: [divisors.length],
      type: 0,
      data: new Uint8Array(divisors.buffer),
    });
  }
  const metadata = metadataOf(config, family, headSize);
  mkdirSync(dirname(target), { recursive: true });
  if (parts === 1) {
    writeFileSync(`${target}.gguf`, writeGguf(metadata, inputs));
    return `${target}.gguf`;
  }
  const size = Math.ceil(inputs.length / parts);
  for (let part = 0; part < parts; part++) {
    const split = {
      'split.no': u32(part),
      'split.count': u32(parts),
      'split.tensors.count': u32(inputs.length),
    };
    const bytes = writeGguf(
      part === 0 ? { ...metadata, ...split } : split,
      inputs.slice(part * size, (part + 1) * size),
    );
    writeFileSync(partName(target, part + 1, parts), bytes);
  }
  return partName(target, 1, parts);
}

const partName = (target: string, part: number, parts: number): string =>
  `${target}-${String(part).padStart(5, '0')}-of-${String(parts).padStart(5, '0')}.gguf`;

function rename(name: string): string {
  const rule = NAMES.find(([pattern]) => pattern.test(name));
  if (!rule) throw new Error(`no GGUF name for ${name}`);
  return name.replace(rule[0], rule[1]);
}

/** The converter's permute: [heads, 2, half, columns] → [heads, half, 2, columns]. */
function permute(values: Float32Array, heads: number, headSize: number): Float32Array {
  const columns = values.length / (heads * headSize);
  const half = headSize / 2;
  const out = new Float32Array(values.length);
  for (let head = 0; head < heads; head++) {
    for (let two = 0; two < 2; two++) {
      for (let i = 0; i < half; i++) {
        const from = ((head * 2 + two) * half + i) * columns;
        const to = ((head * half + i) * 2 + two) * columns;
        out.set(values.subarray(from, from + columns), to);
      }
    }
  }
  return out;
}

/** The converter's factors of llama3 scaling, by wavelength. */
function llama3Divisors({ rope_parameters: rope }: HfConfig, headSize: number): Float32Array {
  const context = rope.original_max_position_embeddings!;
  return Float32Array.from({ length: headSize / 2 }, (_, i) => {
    const wavelength = 2 * Math.PI * rope.rope_theta ** ((2 * i) / headSize);
    if (wavelength < context / rope.high_freq_factor!) return 1;
    if (wavelength > context / rope.low_freq_factor!) return rope.factor!;
    const smooth =
      (context / wavelength - rope.low_freq_factor!) / (rope.high_freq_factor! - rope.low_freq_factor!);
    return 1 / ((1 - smooth) / rope.factor! + smooth);
  });
}

function metadataOf(config: HfConfig, family: string, headSize: number): Record<string, GgufValue> {
  const window =
    config.model_type === 'mistral'
      ? { [`${family}.attention.sliding_window`]: u32(config.sliding_window!) }
      : {};
  // A byte-level vocabulary of the model's size: GPT-2's alphabet, and names for the rest.
  const tokens = Array.from({ length: config.vocab_size }, (_, id) => (id < 3 ? `<|${id}|>` : `token${id}`));
  return {
    'general.architecture': str(family),
    [`${family}.block_count`]: u32(config.num_hidden_layers),
    [`${family}.context_length`]: u32(config.max_position_embeddings),
    [`${family}.embedding_length`]: u32(config.hidden_size),
    [`${family}.feed_forward_length`]: u32(config.intermediate_size),
    [`${family}.attention.head_count`]: u32(config.num_attention_heads),
    [`${family}.attention.head_count_kv`]: u32(config.num_key_value_heads),
    [`${family}.attention.key_length`]: u32(headSize),
    [`${family}.attention.value_length`]: u32(headSize),
    [`${family}.attention.layer_norm_rms_epsilon`]: f32(config.rms_norm_eps),
    [`${family}.rope.freq_base`]: f32(config.rope_parameters.rope_theta),
    [`${family}.rope.dimension_count`]: u32(headSize),
    ...window,
    'tokenizer.ggml.model': str('gpt2'),
    'tokenizer.ggml.pre': str('gpt-2'),
    'tokenizer.ggml.tokens': list(tokens),
    'tokenizer.ggml.token_type': list(tokens.map((_, id) => (id < 3 ? 3 : 1))),
    'tokenizer.ggml.merges': list([]),
    'tokenizer.ggml.bos_token_id': u32(1),
    'tokenizer.ggml.eos_token_id': u32(2),
  };
}
