import { f32, type GgufTensorInput, type GgufValue, list, str, u32, writeGguf } from './write-gguf.js';

const HIDDEN = 32;
const FEED_FORWARD = 64;
const F32_TYPE = 0;
const Q8_0_TYPE = 8;

/** The characters of GPT-2's byte alphabet, then one token that ends a turn. */
const TOKENS: readonly string[] = [...byteAlphabet(), '<|im_end|>'];

/** Metadata and tensors of a sound GGUF model: one qwen2 layer, a byte vocabulary, a Q8_0 embedding, a chat template. */
export interface TinyGguf {
  readonly metadata: Record<string, GgufValue>;
  readonly tensors: GgufTensorInput[];
}

/** Makes the parts of a tiny model; change them before writing. Equal seeds give equal models. */
export function tinyGguf(seed = 1): TinyGguf {
  const random = generator(seed);
  const matrix = (name: string, rows: number, columns: number): GgufTensorInput => ({
    name,
    shape: [rows, columns],
    type: F32_TYPE,
    data: floats(Array.from({ length: rows * columns }, () => random() - 0.5)),
  });
  const vector = (name: string, length: number, value: number): GgufTensorInput => ({
    name,
    shape: [length],
    type: F32_TYPE,
    data: floats(new Array<number>(length).fill(value)),
  });
  return {
    metadata: {
      'general.architecture': str('qwen2'),
      'qwen2.block_count': u32(1),
      'qwen2.context_length': u32(128),
      'qwen2.embedding_length': u32(HIDDEN),
      'qwen2.feed_forward_length': u32(FEED_FORWARD),
      'qwen2.attention.head_count': u32(2),
      'qwen2.attention.layer_norm_rms_epsilon': f32(1e-6),
      'tokenizer.ggml.model': str('gpt2'),
      'tokenizer.ggml.pre': str('gpt-2'),
      'tokenizer.ggml.tokens': list(TOKENS),
      'tokenizer.ggml.token_type': list(TOKENS.map((_, id) => (id === TOKENS.length - 1 ? 3 : 1))),
      'tokenizer.ggml.merges': list([]),
      'tokenizer.ggml.eos_token_id': u32(TOKENS.length - 1),
      'tokenizer.chat_template': str('{% for m in messages %}{{ m.content }}<|im_end|>{% endfor %}'),
    },
    tensors: [
      quantised('token_embd.weight', TOKENS.length, HIDDEN, random),
      vector('blk.0.attn_norm.weight', HIDDEN, 1),
      ...(['q', 'k', 'v'] as const).flatMap((part) => [
        matrix(`blk.0.attn_${part}.weight`, HIDDEN, HIDDEN),
        vector(`blk.0.attn_${part}.bias`, HIDDEN, 0),
      ]),
      matrix('blk.0.attn_output.weight', HIDDEN, HIDDEN),
      vector('blk.0.ffn_norm.weight', HIDDEN, 1),
      matrix('blk.0.ffn_gate.weight', FEED_FORWARD, HIDDEN),
      matrix('blk.0.ffn_up.weight', FEED_FORWARD, HIDDEN),
      matrix('blk.0.ffn_down.weight', HIDDEN, FEED_FORWARD),
      vector('output_norm.weight', HIDDEN, 1),
    ],
  };
}

/** The file. */
export function tinyGgufFile({ metadata, tensors }: TinyGguf = tinyGguf()): Buffer {
  return writeGguf(metadata, tensors);
}

/** Q8_0: blocks of an f16 scale (1/256 here) and 32 signed bytes. */
function quantised(name: string, rows: number, columns: number, random: () => number): GgufTensorInput {
  const data = Buffer.alloc(((rows * columns) / 32) * 34);
  for (let block = 0; block < data.length; block += 34) {
    data.writeUInt16LE(0x1c00, block);
    for (let i = 2; i < 34; i++) data.writeInt8(Math.floor(random() * 255) - 127, block + i);
  }
  return { name, shape: [rows, columns], type: Q8_0_TYPE, data };
}

function floats(values: readonly number[]): Uint8Array {
  return new Uint8Array(Float32Array.from(values).buffer);
}

/** A small generator (mulberry32), uniform in [0, 1). */
export function generator(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

function byteAlphabet(): string[] {
  const printable = (byte: number): boolean =>
    (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
  let next = 256;
  return Array.from({ length: 256 }, (_, byte) => String.fromCharCode(printable(byte) ? byte : next++));
}
