/** GGUF's name of every weight by the Hugging Face name's parts. */
const GLOBAL: Readonly<Record<string, string>> = {
  'model.embed_tokens.weight': 'token_embd.weight',
  'model.norm.weight': 'output_norm.weight',
  'lm_head.weight': 'output.weight',
};
const IN_LAYER: Readonly<Record<string, string>> = {
  input_layernorm: 'attn_norm',
  'self_attn.q_proj': 'attn_q',
  'self_attn.k_proj': 'attn_k',
  'self_attn.v_proj': 'attn_v',
  'self_attn.o_proj': 'attn_output',
  'self_attn.q_norm': 'attn_q_norm',
  'self_attn.k_norm': 'attn_k_norm',
  post_attention_layernorm: 'ffn_norm',
  'mlp.gate_proj': 'ffn_gate',
  'mlp.up_proj': 'ffn_up',
  'mlp.down_proj': 'ffn_down',
};

/** The GGUF name of a weight that a Hugging Face checkpoint calls `name`; undefined for a name that neither has. */
export function ggufName(name: string): string | undefined {
  const global = GLOBAL[name];
  if (global !== undefined) return global;
  const [, layer, module, kind] = /^model\.layers\.(\d+)\.([a-z_.]+)\.(weight|bias)$/.exec(name) ?? [];
  const inLayer = module === undefined ? undefined : IN_LAYER[module];
  return inLayer === undefined ? undefined : `blk.${layer}.${inLayer}.${kind}`;
}

/**
 * Whether a file's rows of this weight are permuted for interleaved rotary embeddings: q and k of files of the `llama`
 * architecture (Mistral's too).
 */
export function isPermuted(architecture: string, name: string): boolean {
  return architecture === 'llama' && /\.self_attn\.[qk]_proj\.(weight|bias)$/.test(name);
}

/**
 * Undoes the permutation in place of `rows` × `columns` numbers: in each head of `headSize` rows, stored row 2i is row i,
 * stored row 2i + 1 is row i + headSize / 2.
 */
export function unpermuteRows(values: Float32Array, rows: number, columns: number, headSize: number): void {
  const head = new Float32Array(headSize * columns);
  for (let start = 0; start < rows; start += headSize) {
    head.set(values.subarray(start * columns, (start + headSize) * columns));
    for (let stored = 0; stored < headSize; stored++) {
      const row = start + (stored >> 1) + (stored & 1 ? headSize / 2 : 0);
      values.set(head.subarray(stored * columns, (stored + 1) * columns), row * columns);
    }
  }
}
