import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { EMBEDDED_FOLDER } from '#deploy/local/embedded-model.js';
import { DraftStore } from '#services/inference/drafts.js';
import { startEngine } from '#services/inference/engine.js';
import type { ExpertCache } from '#services/inference/experts.js';
import type { GradientEngine } from '#services/inference/gradient/engine.js';
import { createMixtures } from '#services/inference/mixtures.js';
import { loadPrepared } from '#services/inference/model/load.js';
import type { PreparedModel } from '#services/inference/model/prepared.js';
import { denseFile } from '#services/inference/model/prepared-files.js';
import { loadTokenizer, type ModelTokenizer } from '#services/inference/model/tokenizer.js';
import type { ServedModel } from '#services/inference/served-model.js';
import { openSafetensors } from '#shared/safetensors/read-file.js';
import { writeDenseFolder } from '../../bench/support/dense-folder.js';

const KV_BYTES = 128 << 20;
/** The service's defaults. */
const LIMITS = { stepTokens: 256, slots: 64, queueMax: 1024, prefixBytes: 0 };

/** The embedded model with its original weights, nothing factored, and where each tensor lies in their file. */
export interface DenseModel {
  readonly folder: string;
  readonly prepared: PreparedModel;
  readonly tokenizer: ModelTokenizer;
  /** The weight file and each tensor's place in it, bytes. */
  readonly file: Uint8Array;
  readonly places: ReadonlyMap<string, { readonly offset: number; readonly length: number }>;
}

/** Writes the dense folder below `scratch`. `factored`: the same model as the mesh prepared it, for its tokenizer and facts. */
export async function openDenseModel(factored: string, scratch: string): Promise<DenseModel> {
  const folder = join(scratch, 'dense');
  const prepared = await writeDenseFolder(EMBEDDED_FOLDER, folder, await loadPrepared(factored));
  const tokenizer = await loadTokenizer(factored);
  if (!tokenizer) throw new Error('the embedded model has a tokenizer');
  const opened = await openSafetensors(denseFile(folder));
  await opened.close();
  // A plain array: a Buffer's slices share its memory.
  const file = new Uint8Array(await readFile(denseFile(folder)));
  return { folder, prepared, tokenizer, file, places: opened.tensors };
}

/** One weight of the model. */
export function denseWeight({ file, places }: DenseModel, name: string): Float32Array {
  const { offset, length } = places.get(name)!;
  return new Float32Array(file.slice(offset, offset + length).buffer);
}

/** Serves the model by the product's engine with some weights in the place of its own. Close it when other weights come. */
export async function serveDense(
  model: DenseModel,
  folder: string,
  changed: ReadonlyMap<string, Float32Array>,
): Promise<{ readonly served: ServedModel; close(): Promise<void> }> {
  const { prepared, tokenizer, file, places } = model;
  const bytes = Uint8Array.from(file);
  for (const [name, { buffer, byteOffset, byteLength }] of changed)
    bytes.set(new Uint8Array(buffer, byteOffset, byteLength), places.get(name)!.offset);
  await mkdir(folder, { recursive: true });
  await writeFile(denseFile(folder), bytes);
  const engine = await startEngine({
    runtime: {
      module: import.meta.resolve('#services/inference/runtime/onnx-runtime.js'),
      create: 'createOnnxRuntime',
      options: { folder, model: prepared, kvBytes: KV_BYTES, threads: 1 },
    },
    limits: LIMITS,
    spectrumMaxBytes: 1 << 20,
  });
  const mixtures = createMixtures({
    model: prepared.name,
    basisId: prepared.basisId,
    matrices: [],
    // Only the base is asked for, so nobody looks into it.
    experts: {} as ExpertCache,
    drafts: new DraftStore({ max: 1, leaseMs: 1 }),
    spectra: engine.spectra,
  });
  return {
    served: { prepared, tokenizer, engine, mixtures, gradients: undefined as unknown as GradientEngine },
    async close() {
      await engine.drain();
      await rm(folder, { recursive: true, force: true });
    },
  };
}
