import { createHash } from 'node:crypto';
import { endianness } from 'node:os';
import { ZmeshError } from '#shared/errors.js';
import type { CheckpointWeight } from './checkpoint.js';
import { DECOMPOSITION_VERSION, type ModelConfig } from './prepared.js';

/** Begins what is hashed; a change of the encoding below must change it. */
const ENCODING = 'zmesh-model-1';

/**
 * A model's identity: SHA-256, hex, over
 *
 *     "zmesh-model-1\n" · config as JSON with sorted keys, without contextLength · "\n" ·
 *     for each weight in canonical order: name · " " · shape joined by "x" · "\n" · values, f32 little-endian, row-major
 *
 * The context length limits requests and changes no logit. Values are hashed as f32, so the same model stored as f32 or (where that loses nothing) as bf16 has one fingerprint.
 * @param onBytes called with the bytes hashed since the last call, for progress.
 * @throws ZmeshError INVALID_FIELD if a weight holds NaN or an infinity.
 */
export async function modelFingerprint(
  config: ModelConfig,
  weights: readonly CheckpointWeight[],
  onBytes: (bytes: number) => void = () => {},
): Promise<string> {
  if (endianness() !== 'LE') throw new Error('zmesh runs on little-endian machines only');
  const hash = createHash('sha256');
  const { contextLength: _, ...computation } = config;
  hash.update(`${ENCODING}\n${canonicalJson(computation)}\n`);
  for (const { name, shape, floats } of weights) {
    hash.update(`${name} ${shape.join('x')}\n`);
    let first = 0;
    for await (const values of floats()) {
      checkFinite(name, values, first);
      hash.update(new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
      first += values.length;
      onBytes(values.byteLength);
    }
  }
  return hash.digest('hex');
}

/** `<fingerprint>:<decomposition version>`: what expert vectors are tied to. */
export function basisIdOf(fingerprint: string): string {
  return `${fingerprint}:${DECOMPOSITION_VERSION}`;
}

function canonicalJson(value: unknown): string {
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  const members = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${members.map(([key, member]) => `${JSON.stringify(key)}:${canonicalJson(member)}`).join(',')}}`;
}

function checkFinite(name: string, values: Float32Array, first: number): void {
  const bits = new Int32Array(values.buffer, values.byteOffset, values.length);
  for (let i = 0; i < bits.length; i++) {
    if (((bits[i] as number) & 0x7f800000) !== 0x7f800000) continue;
    const message = `weight ${name} holds ${values[i]} at element ${first + i}; only finite weights can be served`;
    throw new ZmeshError('INVALID_FIELD', message, { field: name, value: String(values[i]) });
  }
}
