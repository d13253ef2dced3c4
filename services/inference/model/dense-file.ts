import { openSafetensors } from '#shared/safetensors/read-file.js';
import { writeSafetensorsFile } from '#shared/safetensors/write-file.js';
import type { CheckpointWeight } from './checkpoint.js';

/** What makes a file of unfactored weights valid. */
export interface DenseIdentity {
  readonly fingerprint: string;
  /** The weights that it must hold, and no others. */
  readonly weights: readonly CheckpointWeight[];
}

/** Writes the weights as F32, atomically, a few MiB in memory at a time. */
export async function writeDenseFile(path: string, { fingerprint, weights }: DenseIdentity): Promise<void> {
  const sources = weights.map(({ name, shape, floats }) => ({
    name,
    dtype: 'F32' as const,
    shape,
    async *chunks() {
      for await (const values of floats()) {
        yield new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
      }
    },
  }));
  await writeSafetensorsFile(path, sources, { fingerprint });
}

/** Whether a file that is there holds just these weights of just this model. Reads the header alone. */
export async function isDenseFile(path: string, { fingerprint, weights }: DenseIdentity): Promise<boolean> {
  const file = await openSafetensors(path).catch(() => null);
  if (file === null) return false;
  await file.close();
  const wanted = weights.map(({ name, shape }) => `${name} F32 ${shape}`);
  const found = Array.from(file.tensors.values(), ({ name, dtype, shape }) => `${name} ${dtype} ${shape}`);
  return file.metadata.get('fingerprint') === fingerprint && wanted.sort().join() === found.sort().join();
}
