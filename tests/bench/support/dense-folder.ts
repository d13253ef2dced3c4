import { mkdir, writeFile } from 'node:fs/promises';
import { writeDenseFile } from '#services/inference/model/dense-file.js';
import type { PreparedModel } from '#services/inference/model/prepared.js';
import { denseFile, modelFile } from '#services/inference/model/prepared-files.js';
import { readSource } from '#services/inference/model/read-source.js';

/** Writes the prepared folder of a checkpoint that is not decomposed at all: its original weights, nothing to adapt. */
export async function writeDenseFolder(
  checkpoint: string,
  folder: string,
  prepared: PreparedModel,
): Promise<PreparedModel> {
  await mkdir(folder, { recursive: true });
  const opened = await (await readSource(checkpoint)).open();
  const { fingerprint } = prepared;
  await writeDenseFile(denseFile(folder), { fingerprint, weights: opened.weights });
  await opened.close();
  const model: PreparedModel = { ...prepared, adapted: [] };
  await writeFile(modelFile(folder), JSON.stringify(model));
  return model;
}
