import type { TensorEntry } from '#shared/safetensors/header.js';
import { openSafetensors } from '#shared/safetensors/read-file.js';
import type { GgufTensor } from './gguf/header.js';
import { readGgufTensor } from './gguf/read-tensor.js';

/** Where one weight lies in a checkpoint; plain data, so that a worker thread can read it. */
export type WeightPlace =
  | { readonly kind: 'safetensors'; readonly path: string; readonly entry: TensorEntry }
  | {
      readonly kind: 'gguf';
      readonly path: string;
      readonly tensor: GgufTensor;
      /** Rows of a head whose rotary permutation is undone; null = the rows are in order. */
      readonly permutedHeadSize: number | null;
    };

/** The whole weight as f32, row-major. */
export async function readWeight(place: WeightPlace): Promise<Float32Array> {
  if (place.kind === 'gguf') return readGgufTensor(place.path, place.tensor, place.permutedHeadSize);
  const file = await openSafetensors(place.path);
  try {
    return await file.readFloat32(place.entry);
  } finally {
    await file.close();
  }
}
