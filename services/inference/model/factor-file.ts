import { openSafetensors, type SafetensorsFile } from '#shared/safetensors/read-file.js';
import { writeSafetensorsFile } from '#shared/safetensors/write-file.js';
import type { ThinSvd } from '../svd/thin-svd.js';
import type { LinearShape } from './prepared.js';

/** What makes a factor file valid for a model. */
export interface FactorIdentity {
  readonly linear: LinearShape;
  readonly basisId: string;
}

/** Writes U and Vᵀ as f32 and σ as f64, atomically; basis, weight and error go into the metadata. */
export async function writeFactorFile(
  path: string,
  identity: FactorIdentity,
  factors: ThinSvd,
  error: number,
): Promise<void> {
  const { rows, columns, name } = identity.linear;
  const { u, sigma, vt, rank } = factors;
  await writeSafetensorsFile(
    path,
    [
      { name: 'u', dtype: 'F32', shape: [rows, rank], chunks: () => [bytesOf(new Float32Array(u))] },
      { name: 'sigma', dtype: 'F64', shape: [rank], chunks: () => [bytesOf(sigma)] },
      { name: 'vt', dtype: 'F32', shape: [rank, columns], chunks: () => [bytesOf(new Float32Array(vt))] },
    ],
    { basis_id: identity.basisId, weight: name, reconstruction_error: String(error) },
  );
}

/**
 * The reconstruction error that a factor file was written with; null if the file is not there, damaged, or another
 * model's. Reads the header alone: files are renamed into place only when complete.
 */
export async function inspectFactorFile(path: string, identity: FactorIdentity): Promise<number | null> {
  const file = await openSafetensors(path).catch(() => null);
  if (file === null) return null;
  await file.close();
  const error = Number(file.metadata.get('reconstruction_error') ?? Number.NaN);
  return isFactorOf(file, identity) && Number.isFinite(error) ? error : null;
}

/** The singular values of a factor file, falling. */
export async function readSigma(path: string): Promise<Float64Array> {
  const file = await openSafetensors(path);
  try {
    const entry = file.tensors.get('sigma');
    if (entry?.dtype !== 'F64') throw new Error(`${path} has no \`sigma\` of type F64`);
    return new Float64Array((await file.readBytes(entry)).buffer);
  } finally {
    await file.close();
  }
}

function isFactorOf(file: SafetensorsFile, { linear, basisId }: FactorIdentity): boolean {
  const rank = Math.min(linear.rows, linear.columns);
  const wanted = [`u F32 ${linear.rows},${rank}`, `sigma F64 ${rank}`, `vt F32 ${rank},${linear.columns}`];
  const found = Array.from(file.tensors.values(), ({ name, dtype, shape }) => `${name} ${dtype} ${shape}`);
  return (
    file.metadata.get('basis_id') === basisId &&
    file.metadata.get('weight') === linear.name &&
    found.sort().join() === wanted.sort().join()
  );
}

function bytesOf(values: Float32Array | Float64Array): Uint8Array {
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
}
