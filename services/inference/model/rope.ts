import { ZmeshError } from '#shared/errors.js';
import { quote } from '#shared/one-line.js';
import { badField, type JsonFields, nested, positive, positiveInteger, text } from './json-fields.js';
import type { Llama3RopeScaling } from './prepared.js';

/** Base of the rotary frequencies where config.json has none. */
const THETA_DEFAULT = 10_000;

/** Rotary embedding settings of a checkpoint. */
export interface Rope {
  readonly theta: number;
  readonly scaling: Llama3RopeScaling | null;
}

/**
 * Reads the rotary settings in both spellings: `rope_parameters` (transformers 5), or `rope_theta` with `rope_scaling`.
 * @throws ZmeshError INVALID_FIELD for a rope type other than `default` and `llama3`, by name.
 */
export function readRope(json: JsonFields): Rope {
  const newer = json.fields.rope_parameters ?? null;
  const older = json.fields.rope_scaling ?? null;
  const name = newer === null ? 'rope_scaling' : 'rope_parameters';
  const settings = nested(json, name, newer ?? older ?? {});
  const theta = positive(settings, 'rope_theta', positive(json, 'rope_theta', THETA_DEFAULT));
  for (const fields of [json, settings]) {
    const share = positive(fields, 'partial_rotary_factor', 1);
    if (share !== 1)
      throw badField(
        fields,
        'partial_rotary_factor',
        '1 (partial rotary embeddings are not supported)',
        share,
      );
  }
  const type = text(settings, 'rope_type', text(settings, 'type', 'default'));
  if (type === 'default') return { theta, scaling: null };
  if (type === 'llama3') return { theta, scaling: readLlama3(json, settings) };
  const message = `${json.file}: rope type \`${quote(type)}\` is not supported; supported are \`default\` and \`llama3\``;
  throw new ZmeshError('INVALID_FIELD', message, {
    field: name,
    value: quote(type),
    limit: 'default, llama3',
  });
}

function readLlama3(json: JsonFields, settings: JsonFields): Llama3RopeScaling {
  const scaling = {
    factor: positive(settings, 'factor'),
    lowFreqFactor: positive(settings, 'low_freq_factor'),
    highFreqFactor: positive(settings, 'high_freq_factor'),
    originalContext: positiveInteger(
      settings.fields.original_max_position_embeddings === undefined ? json : settings,
      'original_max_position_embeddings',
    ),
  };
  if (scaling.highFreqFactor > scaling.lowFreqFactor) return scaling;
  const wanted = `above low_freq_factor (${scaling.lowFreqFactor})`;
  throw badField(settings, 'high_freq_factor', wanted, scaling.highFreqFactor);
}
