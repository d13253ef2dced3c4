import { cp, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { projectRoot } from '#shared/paths.js';
import type { Dtype } from '#shared/safetensors/dtype.js';
import { encodeSafetensors, parseSafetensors } from '#shared/safetensors/safetensors.js';
import { toFloat32 } from '#shared/safetensors/to-float32.js';
import { temporaryFolder } from './safetensors-cases.js';

/** A weight that a test may change, drop or add. */
export interface EditableWeight {
  readonly name: string;
  readonly dtype: Dtype;
  readonly shape: readonly number[];
  readonly data: Uint8Array;
}

/** A copy of a golden checkpoint (or of `models/octo-nano`) in a folder of its own. */
export async function copyCheckpoint(t: TestContext, name: string): Promise<string> {
  const folder = join(await temporaryFolder(t), name);
  const source = name === 'octo-nano' ? 'models' : 'tests/golden/models';
  const from = join(projectRoot, source, name);
  const filter = (path: string): boolean => !/^.(golden\.|tasks|experts)/.test(path.slice(from.length));
  await cp(from, folder, { recursive: true, filter });
  return folder;
}

/** Reads, changes and writes a checkpoint's model.safetensors. */
export async function editWeights(
  folder: string,
  edit: (weights: EditableWeight[]) => readonly EditableWeight[],
  file = 'model.safetensors',
): Promise<void> {
  await writeFile(join(folder, file), encodeSafetensors(edit(await readWeights(folder))));
}

/** All weights of a checkpoint's model.safetensors. */
export async function readWeights(folder: string): Promise<EditableWeight[]> {
  const { tensors } = parseSafetensors(await readFile(join(folder, 'model.safetensors')));
  return Array.from(tensors, ([name, tensor]) => ({ name, ...tensor }));
}

/** Changes fields of a checkpoint's JSON file; undefined removes one. */
export async function editJson(folder: string, name: string, fields: object): Promise<void> {
  const text = await readFile(join(folder, name), 'utf8').catch(() => '{}');
  await writeFile(join(folder, name), JSON.stringify({ ...JSON.parse(text), ...fields }));
}

/** A weight's values as f32. */
export function asF32(weight: EditableWeight): EditableWeight {
  const values = toFloat32(weight);
  return { ...weight, dtype: 'F32', data: new Uint8Array(values.buffer) };
}

/** A weight with one value changed by its least bit. */
export function withLeastBitFlipped(weight: EditableWeight): EditableWeight {
  const data = new Uint8Array(weight.data);
  data[0] = (data[0] as number) ^ 1;
  return { ...weight, data };
}
