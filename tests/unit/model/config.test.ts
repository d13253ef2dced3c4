import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { canonicalLinears, canonicalWeights, countParameters } from '#services/inference/model/canonical.js';
import { readModelConfig } from '#services/inference/model/config.js';
import { parseJsonFields } from '#services/inference/model/json-fields.js';
import type { ModelConfig } from '#services/inference/model/prepared.js';
import { projectRoot } from '#shared/paths.js';
import { zmeshError } from '../../support/safetensors-cases.js';

const LLAMA = {
  model_type: 'llama',
  architectures: ['LlamaForCausalLM'],
  hidden_size: 64,
  intermediate_size: 128,
  num_hidden_layers: 2,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  vocab_size: 100,
  max_position_embeddings: 2048,
};
const LLAMA3 = {
  factor: 32,
  low_freq_factor: 1,
  high_freq_factor: 4,
  original_max_position_embeddings: 8192,
};
const QWEN2 = { ...LLAMA, model_type: 'qwen2', architectures: ['Qwen2ForCausalLM'] };
const MISTRAL = { ...LLAMA, model_type: 'mistral', architectures: ['MistralForCausalLM'] };
const QWEN3 = { ...LLAMA, model_type: 'qwen3', architectures: ['Qwen3ForCausalLM'] };

const read = (config: object): ModelConfig =>
  readModelConfig(parseJsonFields('config.json', JSON.stringify(config)));
const golden = async (folder: string): Promise<ModelConfig> =>
  readModelConfig(
    parseJsonFields('config.json', await readFile(join(projectRoot, folder, 'config.json'), 'utf8')),
  );

test('both spellings of the rotary settings say the same', () => {
  const older = read({ ...LLAMA, rope_theta: 500000, rope_scaling: { rope_type: 'llama3', ...LLAMA3 } });
  const oldest = read({ ...LLAMA, rope_theta: 500000, rope_scaling: { type: 'llama3', ...LLAMA3 } });
  const newer = read({ ...LLAMA, rope_parameters: { rope_type: 'llama3', rope_theta: 500000, ...LLAMA3 } });
  const scaling = { factor: 32, lowFreqFactor: 1, highFreqFactor: 4, originalContext: 8192 };
  assert.deepEqual(newer.ropeScaling, scaling);
  assert.equal(newer.ropeTheta, 500000);
  assert.deepEqual(older, newer);
  assert.deepEqual(oldest, newer);
  assert.deepEqual(
    read({ ...LLAMA, rope_theta: 7, rope_scaling: null }),
    read({ ...LLAMA, rope_parameters: { rope_theta: 7 } }),
  );
  assert.equal(read(LLAMA).ropeTheta, 10000);
});

test('the golden checkpoints and the embedded model are read as their makers describe them', async () => {
  const tied = await golden('tests/golden/models/llama-tied-gqa');
  assert.deepEqual(
    [tied.tiedEmbeddings, tied.headSize, tied.keyValueHeads, tied.normEpsilon],
    [true, 20, 2, 1e-5],
  );
  const scaled = await golden('tests/golden/models/llama3-rope');
  assert.deepEqual([scaled.ropeScaling?.originalContext, scaled.ropeTheta], [64, 500000]);
  const window = await golden('tests/golden/models/mistral-window');
  assert.deepEqual([window.architecture, window.slidingWindow], ['mistral', 16]);
  const biased = await golden('tests/golden/models/qwen2-bias');
  assert.deepEqual(
    [biased.attentionBias, biased.outputBias, biased.slidingWindow, biased.headSize],
    [true, false, null, 16],
  );
  const normed = await golden('tests/golden/models/qwen3-qknorm');
  assert.deepEqual([normed.queryKeyNorm, normed.attentionBias, normed.headSize], [true, false, 24]);
  const octo = await golden('models/octo-nano');
  assert.equal(octo.ropeScaling, null);
  assert.equal(countParameters(octo), 1_670_016);
});

test('missing fields take the default of the architecture', () => {
  const { num_key_value_heads: _, ...silent } = LLAMA;
  assert.equal(read(silent).keyValueHeads, 4);
  assert.equal(read({ ...LLAMA, num_key_value_heads: null }).keyValueHeads, 4);
  assert.equal(read(LLAMA).headSize, 16);
  assert.equal(read({ ...LLAMA, head_dim: null }).headSize, 16);
  assert.equal(read(QWEN3).headSize, 128);
  assert.equal(read(LLAMA).tiedEmbeddings, false);
  assert.equal(read({ ...LLAMA, attention_bias: true }).outputBias, true);
  assert.equal(read({ ...LLAMA, mlp_bias: true }).feedForwardBias, true);
  assert.equal(read({ ...QWEN2, attention_bias: false }).attentionBias, true);
});

test('a sliding window counts where the architecture has one and switches it on', () => {
  assert.equal(read(MISTRAL).slidingWindow, 4096);
  assert.equal(read({ ...MISTRAL, sliding_window: null }).slidingWindow, null);
  assert.equal(read({ ...LLAMA, sliding_window: 16 }).slidingWindow, null);
  assert.equal(read({ ...QWEN2, sliding_window: 16, use_sliding_window: false }).slidingWindow, null);
  const sliding = { ...QWEN2, sliding_window: 16, use_sliding_window: true };
  assert.equal(read({ ...sliding, max_window_layers: 0 }).slidingWindow, 16);
  assert.equal(read({ ...sliding, max_window_layers: 2 }).slidingWindow, null);
  const mixed = { ...sliding, layer_types: ['full_attention', 'sliding_attention'] };
  assert.throws(
    () => read(mixed),
    zmeshError('INVALID_FIELD', /1 of 2 layers have a sliding window; supported are all or none/),
  );
});

const REFUSALS: readonly [title: string, config: object, message: RegExp][] = [
  [
    'another architecture',
    { ...LLAMA, model_type: 'gemma3' },
    /architecture `gemma3` is not supported; supported are llama, mistral, qwen2, qwen3$/,
  ],
  [
    'an architecture from the prototype',
    { ...LLAMA, model_type: 'constructor' },
    /`constructor` is not supported/,
  ],
  ['no architecture', { ...LLAMA, model_type: undefined }, /without `model_type` is not supported/],
  [
    'a classifier',
    { ...LLAMA, architectures: ['LlamaForSequenceClassification'] },
    /a list with `LlamaForCausalLM`, it is \["LlamaForSequenceClassification"\]/,
  ],
  [
    'another rope type',
    { ...LLAMA, rope_scaling: { type: 'yarn', factor: 4 } },
    /rope type `yarn` is not supported; supported are `default` and `llama3`/,
  ],
  [
    'partial rotary embeddings',
    { ...LLAMA, partial_rotary_factor: 0.5 },
    /partial rotary embeddings are not supported\), it is 0.5/,
  ],
  [
    'llama3 scaling with a part missing',
    { ...LLAMA, rope_scaling: { rope_type: 'llama3', ...LLAMA3, factor: undefined } },
    /`factor` must be a positive number, it is missing/,
  ],
  [
    'llama3 scaling upside down',
    { ...LLAMA, rope_scaling: { rope_type: 'llama3', ...LLAMA3, low_freq_factor: 4 } },
    /`high_freq_factor` must be above low_freq_factor \(4\), it is 4/,
  ],
  [
    'another activation',
    { ...LLAMA, hidden_act: 'gelu' },
    /activation `gelu` is not supported; supported is silu/,
  ],
  [
    'a quantised checkpoint',
    { ...LLAMA, quantization_config: { quant_method: 'gptq' } },
    /quantised \(gptq\); supported are plain f32, f16 and bf16/,
  ],
  [
    'heads that do not divide',
    { ...LLAMA, num_key_value_heads: 3 },
    /a divisor of num_attention_heads \(4\), it is 3/,
  ],
  [
    'heads of no whole size',
    { ...LLAMA, hidden_size: 66 },
    /`head_dim` must be a positive even integer .*, it is 16.5/,
  ],
  [
    'layers without end',
    { ...LLAMA, num_hidden_layers: 1e12 },
    /`num_hidden_layers` must be at most 4096, it is 1000000000000/,
  ],
  [
    'a size that is missing',
    { ...LLAMA, vocab_size: undefined },
    /`vocab_size` must be a positive integer, it is missing/,
  ],
  [
    'a size that is text',
    { ...LLAMA, hidden_size: '64' },
    /`hidden_size` must be a positive integer, it is "64"/,
  ],
];

for (const [title, config, message] of REFUSALS) {
  test(`${title} is refused`, () => assert.throws(() => read(config), zmeshError('INVALID_FIELD', message)));
}

test('config.json that is no object is refused', () => {
  assert.throws(
    () => parseJsonFields('config.json', '[]'),
    zmeshError('INVALID_FIELD', /is not a JSON object/),
  );
  assert.throws(() => parseJsonFields('config.json', '{'), zmeshError('INVALID_FIELD', /is not JSON/));
});

test('canonical order: embedding; per layer norms, q k v o with biases, gate up down; norm; head', () => {
  const qwen = read({ ...QWEN2, num_hidden_layers: 1 });
  const short = canonicalWeights(qwen).map(({ name }) => name.replace('model.layers.0.', ''));
  assert.deepEqual(short, [
    'model.embed_tokens.weight',
    'input_layernorm.weight',
    'self_attn.q_proj.weight',
    'self_attn.q_proj.bias',
    'self_attn.k_proj.weight',
    'self_attn.k_proj.bias',
    'self_attn.v_proj.weight',
    'self_attn.v_proj.bias',
    'self_attn.o_proj.weight',
    'post_attention_layernorm.weight',
    'mlp.gate_proj.weight',
    'mlp.up_proj.weight',
    'mlp.down_proj.weight',
    'model.norm.weight',
    'lm_head.weight',
  ]);
  assert.deepEqual(canonicalLinears(qwen)[1], {
    name: 'model.layers.0.self_attn.k_proj.weight',
    rows: 32,
    columns: 64,
  });
  assert.deepEqual(canonicalLinears(qwen)[6], {
    name: 'model.layers.0.mlp.down_proj.weight',
    rows: 64,
    columns: 128,
  });
});
