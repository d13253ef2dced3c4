import { ZmeshError } from '#shared/errors.js';
import { encodeSafetensors, parseSafetensors } from '#shared/safetensors/safetensors.js';
import { algorithmNamed } from './algorithms/registry.js';
import { packed } from './layout.js';
import { readSettings, writeSettings } from './settings.js';
import type { TrainingState } from './state.js';

const FORMAT = 'zmesh-training-state-1';

/** A state as a safetensors file: its vectors as F64, the rest as metadata. Equal states give equal bytes. */
export function encodeState(state: TrainingState): Uint8Array {
  const tensors = Object.entries(state.vectors).map(([name, vector]) => ({
    name,
    dtype: 'F64' as const,
    shape: [vector.length],
    data: new Uint8Array(vector.buffer, vector.byteOffset, vector.byteLength),
  }));
  return encodeSafetensors(tensors, {
    format: FORMAT,
    algorithm: state.algorithm,
    settings: JSON.stringify(writeSettings(state.settings)),
    seed: String(state.seed),
    step: String(state.step),
    layout: JSON.stringify(state.layout.slots.map(({ name, length }) => [name, length])),
  });
}

/** Reads encodeState's bytes back, bit for bit. Throws CORRUPT for anything else. */
export function decodeState(bytes: Uint8Array): TrainingState {
  try {
    return decode(bytes);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new ZmeshError('CORRUPT', `not a training state: ${why}`, { cause });
  }
}

function decode(bytes: Uint8Array): TrainingState {
  const { tensors, metadata } = parseSafetensors(bytes, 'the training state');
  const text = (key: string): string => {
    const value = metadata.get(key);
    if (value === undefined) throw new Error(`no ${key}`);
    return value;
  };
  if (text('format') !== FORMAT) throw new Error(`format ${text('format')}, not ${FORMAT}`);
  const algorithm = algorithmNamed(text('algorithm'));
  const slots = JSON.parse(text('layout')) as [string, number][];
  const vectors = Object.fromEntries(
    [...tensors].map(([name, { dtype, data }]) => {
      if (dtype !== 'F64') throw new Error(`${name} is ${dtype}, not F64`);
      // A copy: the tensor may lie at any alignment of the file.
      return [name, new Float64Array(new Uint8Array(data).buffer)];
    }),
  );
  return {
    algorithm: algorithm.name,
    settings: readSettings(algorithm, JSON.parse(text('settings')) as Record<string, string>),
    seed: BigInt(text('seed')),
    step: Number(text('step')),
    layout: packed(slots.map(([name, length]) => ({ name, length }))),
    vectors,
  };
}
