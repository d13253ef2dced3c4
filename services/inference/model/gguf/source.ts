import { basename } from 'node:path';
import { readModelConfig } from '../config.js';
import { type CheckpointSource, sourceOf } from '../source.js';
import { type GgufModel, openGgufCheckpoint, openGgufModel } from './checkpoint.js';
import { ggufConfig } from './config.js';
import { badGguf } from './errors.js';
import { metadataOf } from './metadata.js';
import { readGgufTensor } from './read-tensor.js';
import { ggufTokenizer } from './tokenizer.js';

/**
 * Reads and checks all of a GGUF model but its weights: config, tokenizer and chat template are rebuilt from the metadata.
 * Throws INVALID_FIELD, by name, for what cannot be read faithfully.
 */
export async function readGgufSource(path: string): Promise<CheckpointSource> {
  const model = await openGgufModel(path);
  const metadata = metadataOf(model.parts[0]!.header, path);
  const json = { file: path, fields: ggufConfig(metadata, model.tensors) };
  const plain = readModelConfig(json);
  const divisors = await readDivisors(model, path, plain.headSize);
  const config = { ...plain, ...(divisors === null ? {} : { ropeDivisors: divisors }) };
  const files = ggufTokenizer(metadata);
  const texts = new Map([
    ['tokenizer.json', JSON.stringify(files.tokenizer)],
    ['tokenizer_config.json', JSON.stringify(files.tokenizerConfig)],
    ...(files.chatTemplate === null ? [] : [['chat_template.jinja', files.chatTemplate] as const]),
  ]);
  return sourceOf({
    path,
    config,
    json,
    generation: null,
    kept: texts,
    files: model.parts.map((part) => part.path),
    classificationSystem: null,
    open: () => openGgufCheckpoint(model, config),
  });
}

/** `rope_freqs.weight`: what each rotary frequency is divided by (Llama 3's scaling); null without it. */
async function readDivisors(
  model: GgufModel,
  path: string,
  headSize: number,
): Promise<readonly number[] | null> {
  const tensor = model.tensors.get('rope_freqs.weight');
  if (!tensor) return null;
  if (tensor.shape.join() !== String(headSize / 2)) {
    throw badGguf(
      path,
      `rope_freqs.weight has shape [${tensor.shape}], heads of ${headSize} need ${headSize / 2}`,
    );
  }
  const divisors = [...(await readGgufTensor(tensor.path, tensor, null))];
  const bad = divisors.findIndex((value) => !(Number.isFinite(value) && value > 0));
  if (bad >= 0) throw badGguf(path, `rope_freqs.weight [${bad}] is ${divisors[bad]}`);
  return divisors;
}

/** Whether a path is that of a GGUF file, by its name. */
export const isGguf = (path: string): boolean => basename(path).toLowerCase().endsWith('.gguf');
