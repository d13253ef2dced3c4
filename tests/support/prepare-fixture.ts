import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type AdaptScope, adaptedLinears, canonicalLinears } from '#services/inference/model/canonical.js';
import { openCheckpoint, readFolderJson } from '#services/inference/model/checkpoint.js';
import { readModelConfig } from '#services/inference/model/config.js';
import { PREPARED_FORMAT, type PreparedModel } from '#services/inference/model/prepared.js';
import { readWeight } from '#services/inference/model/weight-place.js';
import { encodeSafetensors } from '#shared/safetensors/safetensors.js';
import { jacobiSvd } from './jacobi-svd.js';

/** A prepared model made by the tests, without the product's importer or SVD. */
export interface PreparedFixture {
  readonly folder: string;
  readonly model: PreparedModel;
  /** Singular values of the adapted matrices, falling, by name. */
  readonly sigma: ReadonlyMap<string, Float64Array>;
}

/** Prepares a Hugging Face folder into `folder` with the tests' own Jacobi SVD. `adapt: 'none'` keeps every matrix whole. */
export async function prepareFixture(
  source: string,
  folder: string,
  adapt: AdaptScope | 'none',
): Promise<PreparedFixture> {
  const json = await readFolderJson(source, 'config.json', true);
  const config = readModelConfig(json!);
  const adapted = adapt === 'none' ? [] : adaptedLinears(config, adapt);
  const names = new Set(adapted.map(({ name }) => name));
  const sigma = new Map<string, Float64Array>();
  await mkdir(join(folder, 'factors'), { recursive: true });
  const checkpoint = await openCheckpoint(source, config);
  const plain = [];
  for (const { name, shape, place } of checkpoint.weights) {
    const values = await readWeight(place);
    if (names.has(name)) sigma.set(name, await writeFactors(folder, name, { values, shape }));
    else plain.push({ name, dtype: 'F32' as const, shape, data: bytesOf(values) });
  }
  await checkpoint.close();
  await writeFile(join(folder, 'weights.safetensors'), encodeSafetensors(plain));
  const model: PreparedModel = {
    format: PREPARED_FORMAT,
    name: 'fixture',
    config,
    fingerprint: 'fixture',
    basisId: 'fixture',
    parameters: 0,
    adapted,
    linears: canonicalLinears(config),
    eosTokenIds: [2],
    bosTokenId: 1,
    classificationSystem: null,
    reconstructionError: 0,
    source: { folder: source, preparedAt: '' },
  };
  return { folder, model, sigma };
}

async function writeFactors(
  folder: string,
  name: string,
  matrix: { values: Float32Array; shape: readonly number[] },
): Promise<Float64Array> {
  const [rows, columns] = matrix.shape as [number, number];
  const { u, sigma, vt } = jacobiSvd(Float64Array.from(matrix.values), rows, columns);
  const rank = sigma.length;
  const file = encodeSafetensors([
    { name: 'u', dtype: 'F32', shape: [rows, rank], data: bytesOf(Float32Array.from(u)) },
    { name: 'sigma', dtype: 'F64', shape: [rank], data: bytesOf(sigma) },
    { name: 'vt', dtype: 'F32', shape: [rank, columns], data: bytesOf(Float32Array.from(vt)) },
  ]);
  await writeFile(join(folder, 'factors', `${name}.safetensors`), file);
  return sigma;
}

function bytesOf(values: Float32Array | Float64Array): Uint8Array {
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
}
