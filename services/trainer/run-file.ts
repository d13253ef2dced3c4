import { ZmeshError } from '#shared/errors.js';
import { encodeSafetensors, parseSafetensors } from '#shared/safetensors/safetensors.js';
import { toFloat32 } from '#shared/safetensors/to-float32.js';
import type { RunState, Validation } from './loop.js';
import { decodeState, encodeState } from './state-file.js';

const FORMAT = 'zmesh-run-state-1';
const TRAINING = 'training';
const BEST = 'best/';

/** A run's state as a safetensors file: the training state's file inside, the best multipliers as `best/<matrix>` F32. */
export function encodeRun(run: RunState): Uint8Array {
  const training = encodeState(run.training);
  const best = [...(run.best?.multipliers ?? [])].map(([name, vector]) => ({
    name: `${BEST}${name}`,
    dtype: 'F32' as const,
    shape: [vector.length],
    data: new Uint8Array(vector.buffer, vector.byteOffset, vector.byteLength),
  }));
  const inner = { name: TRAINING, dtype: 'U8' as const, shape: [training.length], data: training };
  return encodeSafetensors([inner, ...best], {
    format: FORMAT,
    validations: JSON.stringify(run.validations),
    best: JSON.stringify(run.best ? { step: run.best.step, score: run.best.score } : null),
  });
}

/** Reads encodeRun's bytes back, bit for bit. Throws CORRUPT for anything else. */
export function decodeRun(bytes: Uint8Array): RunState {
  try {
    return decode(bytes);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new ZmeshError('CORRUPT', `not a run state: ${why}`, { cause });
  }
}

function decode(bytes: Uint8Array): RunState {
  const { tensors, metadata } = parseSafetensors(bytes, 'the run state');
  const training = tensors.get(TRAINING);
  if (!training || metadata.get('format') !== FORMAT)
    throw new ZmeshError(
      'CORRUPT',
      `not a run state: format ${metadata.get('format') ?? 'missing'}, not ${FORMAT}`,
    );
  const best = JSON.parse(metadata.get('best') ?? 'null') as { step: number; score: number } | null;
  const multipliers = new Map(
    [...tensors]
      .filter(([name]) => name.startsWith(BEST))
      .map(([name, tensor]) => [name.slice(BEST.length), toFloat32(tensor)]),
  );
  return {
    training: decodeState(training.data),
    validations: JSON.parse(metadata.get('validations') ?? '[]') as Validation[],
    best: best ? { ...best, multipliers } : undefined,
  };
}
