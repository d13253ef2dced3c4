import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { ZmeshError } from '#shared/errors.js';
import { quote } from '#shared/one-line.js';
import { type Checkpoint, openCheckpoint, readFolderJson } from './checkpoint.js';
import { readModelConfig } from './config.js';
import { type JsonFields, nested, tokenIds } from './json-fields.js';
import type { ModelConfig } from './prepared.js';
import { probeTokenizer } from './probe-tokenizer.js';
import { readTextFile } from './read-text-file.js';
import { tokenizerFrom } from './tokenizer.js';

/** What a checkpoint says apart from its weights. */
export interface CheckpointSource {
  /** The Hugging Face folder, or the GGUF file. */
  readonly path: string;
  readonly config: ModelConfig;
  /** Files that the prepared model keeps, by name. */
  readonly kept: ReadonlyMap<string, string>;
  /** Paths of all files that an import reads. */
  readonly files: readonly string[];
  readonly bosTokenId: number | null;
  /** The end of a turn first. */
  readonly eosTokenIds: readonly number[];
  readonly classificationSystem: string | null;
  /** Opens the weights. */
  open(): Promise<Checkpoint>;
}

/** What every kind of checkpoint brings to `sourceOf`. */
export type SourceParts = Pick<
  CheckpointSource,
  'path' | 'config' | 'kept' | 'files' | 'classificationSystem' | 'open'
> & {
  /** config.json, or what stands for it, and generation_config.json: they name bos and eos. */
  readonly json: JsonFields;
  readonly generation: JsonFields | null;
};

/** Names of the files that a prepared model keeps, where the checkpoint has them. */
export const KEPT_FILES = [
  'tokenizer.json',
  'tokenizer_config.json',
  'chat_template.jinja',
  'generation_config.json',
];

/** Files of a folder that an import reads. */
const RELEVANT = /\.(json|safetensors|jinja)$/;

/** Longest `classification.system` of zmesh.json, characters. */
const SYSTEM_LENGTH_MAX = 4096;

/**
 * Reads and checks config.json, generation_config.json, the tokenizer and zmesh.json of a folder.
 * @throws ZmeshError INVALID_FIELD.
 */
export async function readFolderSource(folder: string): Promise<CheckpointSource> {
  const json = (await readFolderJson(folder, 'config.json', true)) as JsonFields;
  const config = readModelConfig(json);
  const names = await readdir(folder);
  const kept = new Map<string, string>();
  for (const name of KEPT_FILES) {
    const text = names.includes(name) ? await readTextFile(join(folder, name)) : null;
    if (text !== null) kept.set(name, text);
  }
  return sourceOf({
    path: folder,
    config,
    json,
    generation: await readFolderJson(folder, 'generation_config.json', false),
    kept,
    files: names.filter((name) => RELEVANT.test(name)).map((name) => join(folder, name)),
    classificationSystem: readClassificationSystem(await readFolderJson(folder, 'zmesh.json', false)),
    open: () => openCheckpoint(folder, config),
  });
}

/** Checks the tokenizer and the special tokens of a checkpoint against its config. @throws ZmeshError INVALID_FIELD. */
export function sourceOf({ json, generation, ...parts }: SourceParts): CheckpointSource {
  const { path, config, kept } = parts;
  const tokenizer = tokenizerFrom((name) => kept.get(name) ?? null, path);
  if (tokenizer !== null && tokenizer.vocabularySize > config.vocabularySize) {
    const message = `${path}: the tokenizer has ${tokenizer.vocabularySize} token ids, the model only ${config.vocabularySize}`;
    throw new ZmeshError('INVALID_FIELD', message, {
      field: 'tokenizer.json',
      limit: config.vocabularySize,
      value: tokenizer.vocabularySize,
    });
  }
  if (tokenizer !== null) probeTokenizer(tokenizer, path);
  return {
    ...parts,
    bosTokenId: inVocabulary(json, config, 'bos_token_id')[0] ?? null,
    eosTokenIds: readEos(json, generation, config, tokenizer?.eosTokenId ?? null),
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
    const message = `${json.file}: unknown field \`${quote(key)}\`; known is \`${name}\``;
    throw new ZmeshError('INVALID_FIELD', message, { field: key, limit: name });
  }
}
