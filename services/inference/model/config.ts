import { ZmeshError } from '#shared/errors.js';
import { quote } from '#shared/one-line.js';
import { ARCHITECTURES, type Architecture } from './architectures.js';
import { badField, flag, type JsonFields, positive, positiveInteger, text } from './json-fields.js';
import type { ModelConfig } from './prepared.js';
import { readRope } from './rope.js';

/** Activations of the MLP that the graph has; `swish` is another name of silu. */
const ACTIVATIONS = ['silu', 'swish'];

/** Far above any real model; keeps a nonsense config from listing weights without end. */
const LAYERS_MAX = 4096;

/**
 * Turns a Hugging Face `config.json` into what changes the computation and nothing else. Missing fields take the default of
 * transformers' class for the architecture.
 * @throws ZmeshError INVALID_FIELD: another architecture, rope type, activation or a quantised checkpoint is refused by
 *   name, with the list of what is supported.
 */
export function readModelConfig(json: JsonFields): ModelConfig {
  const architecture = readArchitecture(json);
  const rules = ARCHITECTURES[architecture];
  refuseUnsupported(json);
  const rope = readRope(json);
  return {
    architecture,
    vocabularySize: positiveInteger(json, 'vocab_size'),
    ...readSizes(json, rules),
    contextLength: positiveInteger(json, 'max_position_embeddings'),
    normEpsilon: positive(json, 'rms_norm_eps', 1e-6),
    ropeTheta: rope.theta,
    ropeScaling: rope.scaling,
    slidingWindow: readSlidingWindow(json, rules),
    tiedEmbeddings: flag(json, 'tie_word_embeddings', false),
    attentionBias: readBias(json, rules.attentionBias),
    outputBias: readBias(json, rules.outputBias),
    feedForwardBias: readBias(json, rules.feedForwardBias),
    queryKeyNorm: rules.queryKeyNorm,
  };
}

function readArchitecture(json: JsonFields): ModelConfig['architecture'] {
  const type = json.fields.model_type;
  const supported = Object.keys(ARCHITECTURES).join(', ');
  if (typeof type !== 'string' || !Object.hasOwn(ARCHITECTURES, type)) {
    const given = type === undefined ? 'a config without `model_type`' : `architecture \`${quote(type)}\``;
    const message = `${json.file}: ${given} is not supported; supported are ${supported}`;
    throw new ZmeshError('INVALID_FIELD', message, {
      field: 'model_type',
      limit: supported,
      value: quote(type),
    });
  }
  const architecture = type as ModelConfig['architecture'];
  const { className } = ARCHITECTURES[architecture];
  const classes = json.fields.architectures ?? [className];
  if (Array.isArray(classes) && classes.includes(className)) return architecture;
  throw badField(json, 'architectures', `a list with \`${className}\``, classes);
}

function refuseUnsupported(json: JsonFields): void {
  const activation = text(json, 'hidden_act', 'silu');
  if (!ACTIVATIONS.includes(activation)) {
    const message = `${json.file}: activation \`${quote(activation)}\` is not supported; supported is silu`;
    throw new ZmeshError('INVALID_FIELD', message, {
      field: 'hidden_act',
      limit: 'silu',
      value: quote(activation),
    });
  }
  const quantisation = json.fields.quantization_config ?? null;
  if (quantisation === null) return;
  const method = (quantisation as { quant_method?: unknown }).quant_method ?? 'unnamed';
  const message = `${json.file}: the checkpoint is quantised (${quote(method)}); supported are plain f32, f16 and bf16 weights`;
  throw new ZmeshError('INVALID_FIELD', message, { field: 'quantization_config', value: quote(method) });
}

function readSizes(json: JsonFields, rules: Architecture) {
  const hiddenSize = positiveInteger(json, 'hidden_size');
  const heads = positiveInteger(json, 'num_attention_heads');
  const silent = json.fields.num_key_value_heads === undefined ? rules.keyValueHeadsDefault : null;
  const keyValueHeads = positiveInteger(json, 'num_key_value_heads', silent ?? heads);
  if (heads % keyValueHeads !== 0) {
    throw badField(json, 'num_key_value_heads', `a divisor of num_attention_heads (${heads})`, keyValueHeads);
  }
  return {
    hiddenSize,
    feedForwardSize: positiveInteger(json, 'intermediate_size'),
    layers: readLayers(json),
    heads,
    keyValueHeads,
    headSize: readHeadSize(json, rules, hiddenSize, heads),
  };
}

function readLayers(json: JsonFields): number {
  const layers = positiveInteger(json, 'num_hidden_layers');
  if (layers <= LAYERS_MAX) return layers;
  throw badField(json, 'num_hidden_layers', `at most ${LAYERS_MAX}`, layers);
}

function readHeadSize(json: JsonFields, rules: Architecture, hiddenSize: number, heads: number): number {
  const silent = json.fields.head_dim === undefined ? rules.headSizeDefault : null;
  const headSize = json.fields.head_dim ?? silent ?? hiddenSize / heads;
  if (Number.isSafeInteger(headSize) && Number(headSize) > 0 && Number(headSize) % 2 === 0)
    return Number(headSize);
  throw badField(
    json,
    'head_dim',
    'a positive even integer (by default hidden_size / num_attention_heads)',
    headSize,
  );
}

function readBias(json: JsonFields, rule: boolean | 'attention_bias' | 'mlp_bias'): boolean {
  return typeof rule === 'boolean' ? rule : flag(json, rule, false);
}

function readSlidingWindow(json: JsonFields, rules: Architecture): number | null {
  if (rules.slidingWindow === 'none') return null;
  if (rules.slidingWindow === 'switched' && !flag(json, 'use_sliding_window', false)) return null;
  if (json.fields.sliding_window === null) return null;
  const window = positiveInteger(json, 'sliding_window', 4096);
  return rules.slidingWindow === 'switched' && !allLayersSlide(json) ? null : window;
}

/** Whether all layers (true) or none (false) look through the window; a mixture of both is refused. */
function allLayersSlide(json: JsonFields): boolean {
  const layers = positiveInteger(json, 'num_hidden_layers');
  const types = json.fields.layer_types;
  const firstSliding = json.fields.max_window_layers ?? 28;
  if (!Number.isSafeInteger(firstSliding))
    throw badField(json, 'max_window_layers', 'an integer', firstSliding);
  const sliding = Array.isArray(types)
    ? types.filter((type) => type === 'sliding_attention').length
    : Math.max(0, layers - Number(firstSliding));
  if (sliding === 0 || sliding === layers) return sliding > 0;
  const message = `${json.file}: ${sliding} of ${layers} layers have a sliding window; supported are all or none`;
  throw new ZmeshError('INVALID_FIELD', message, {
    field: 'max_window_layers',
    limit: layers,
    value: sliding,
  });
}
