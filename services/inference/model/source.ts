import { ZmeshError } from '#shared/errors.js';
import { readFolderJson } from './checkpoint.js';
import { readModelConfig } from './config.js';
import { type JsonFields, nested, tokenIds } from './json-fields.js';
import type { ModelConfig } from './prepared.js';
import { loadTokenizer } from './tokenizer.js';

/** What a Hugging Face folder says apart from its weights. */
export interface CheckpointSource {
  readonly folder: string;
  readonly config: ModelConfig;
  readonly bosTokenId: number | null;
  /** The end of a turn first. */
  readonly eosTokenIds: readonly number[];
  readonly classificationSystem: string | null;
}

/** Longest `classification.system` of zmesh.json, characters. */
const SYSTEM_LENGTH_MAX = 4096;

/**
 * Reads and checks config.json, generation_config.json, the tokenizer and zmesh.json of a folder.
 * @throws ZmeshError INVALID_FIELD.
 */
export async function readSource(folder: string): Promise<CheckpointSource> {
  const json = (await readFolderJson(folder, 'config.json', true)) as JsonFields;
  const config = readModelConfig(json);
  const generation = await readFolderJson(folder, 'generation_config.json', false);
  const tokenizer = await loadTokenizer(folder);
  if (tokenizer !== null && tokenizer.vocabularySize > config.vocabularySize) {
    const message = `${folder}: the tokenizer has ${tokenizer.vocabularySize} token ids, the model only ${config.vocabularySize}`;
    throw new ZmeshError('INVALID_FIELD', message, {
      field: 'tokenizer.json',
      limit: config.vocabularySize,
      value: tokenizer.vocabularySize,
    });
  }
  const bos = inVocabulary(json, config, 'bos_token_id');
  return {
    folder,
    config,
    bosTokenId: bos[0] ?? null,
    eosTokenIds: readEos(json, generation, config, tokenizer?.eosTokenId ?? null),
    classificationSystem: readClassificationSystem(await readFolderJson(folder, 'zmesh.json', false)),
  };
}

/**
 * The tokenizer's eos is the end of a turn of chat models and stands first; generation_config.json, else config.json, adds
 * the other ids that end an answer.
 */
function readEos(
  json: JsonFields,
  generation: JsonFields | null,
  config: ModelConfig,
  ofTokenizer: number | null,
): number[] {
  const generated = generation === null ? [] : inVocabulary(generation, config, 'eos_token_id');
  const others = generated.length > 0 ? generated : inVocabulary(json, config, 'eos_token_id');
  return [...new Set([...(ofTokenizer === null ? [] : [ofTokenizer]), ...others])];
}

function inVocabulary(json: JsonFields, config: ModelConfig, name: string): number[] {
  const ids = tokenIds(json, name);
  for (const id of ids) {
    if (id < config.vocabularySize) continue;
    const message = `${json.file}: \`${name}\` is ${id}, the vocabulary has ${config.vocabularySize} ids`;
    throw new ZmeshError('INVALID_FIELD', message, { field: name, limit: config.vocabularySize, value: id });
  }
  return ids;
}

function readClassificationSystem(json: JsonFields | null): string | null {
  if (json === null) return null;
  allowOnly(json, 'classification');
  if (json.fields.classification === undefined) return null;
  const classification = nested(json, 'classification', json.fields.classification);
  allowOnly(classification, 'system');
  const { system } = classification.fields;
  if (typeof system === 'string' && system !== '' && system.length <= SYSTEM_LENGTH_MAX) return system;
  const message = `${classification.file}: \`system\` must be a text of 1 to ${SYSTEM_LENGTH_MAX} characters`;
  throw new ZmeshError('INVALID_FIELD', message, {
    field: 'classification.system',
    limit: SYSTEM_LENGTH_MAX,
  });
}

function allowOnly(json: JsonFields, name: string): void {
  for (const key of Object.keys(json.fields)) {
    if (key === name) continue;
    const message = `${json.file}: unknown field \`${key}\`; known is \`${name}\``;
    throw new ZmeshError('INVALID_FIELD', message, { field: key, limit: name });
  }
}
