import { ExpertSpec, type ExpertVersion } from '#proto/zmesh/v1/expert_registry.js';
import { ZmeshError } from '../errors.js';
import { sha256Hex } from '../ids.js';
import type { Expert } from './model.js';

/** The encoding that `expertVersion` hashes, as `ExpertVersion.spec_format` counts it. */
const SPEC_FORMAT = 1;

/** Throws FORMAT_NEWER for a version whose encoding a newer zmesh defined: its hash cannot be checked here. */
export function checkSpecFormat({ spec, version, specFormat }: ExpertVersion): void {
  if (specFormat <= SPEC_FORMAT) return;
  const expert = `${spec?.model}/${spec?.name}@${version}`;
  const message = `${expert} has the spec format ${specFormat}, this version knows ${SPEC_FORMAT}; ask a newer replica, or upgrade this one`;
  throw new ZmeshError('FORMAT_NEWER', message, {
    names: { expert },
    limit: SPEC_FORMAT,
    value: specFormat,
    retryAfterMs: 1000,
  });
}

/**
 * An expert's version: SHA-256 of a canonical encoding of what it is and what it holds, so that equal content has one
 * version whatever the order of tensors or metadata in the file. Encoding, one field after another, each as its byte
 * length (u32 little-endian) and its bytes: `zmesh-expert-1`, the spec's text fields in the order of their numbers (model,
 * name, basis_id, normalisation, kind, label, description; enums by their proto names), the number of metadata entries
 * and each key and value by rising key, the number of matrices and each name and its f32 little-endian multipliers by rising name.
 * Only where the spec has them: `categories`, their number and each; `mixture`, the number of arms and of each its name, α as
 * f64 little-endian, the number of its own α by matrix and each matrix and α by rising matrix.
 */
export function expertVersion(spec: ExpertSpec, multipliers: Expert['multipliers']): string {
  const json = ExpertSpec.toJSON(spec) as { normalisation?: string; kind?: string };
  const parts: Uint8Array[] = [];
  const put = (field: string | Uint8Array): void => {
    const bytes = typeof field === 'string' ? Buffer.from(field, 'utf8') : field;
    const length = Buffer.alloc(4);
    length.writeUInt32LE(bytes.byteLength);
    parts.push(length, bytes);
  };
  put('zmesh-expert-1');
  for (const text of [
    spec.model,
    spec.name,
    spec.basisId,
    json.normalisation ?? '',
    json.kind ?? '',
    spec.label,
    spec.description,
  ])
    put(text);
  const metadata = byKey(Object.entries(spec.metadata));
  put(String(metadata.length));
  for (const [key, value] of metadata) {
    put(key);
    put(value);
  }
  const vectors = byKey([...multipliers]);
  put(String(vectors.length));
  for (const [name, vector] of vectors) {
    put(name);
    put(new Uint8Array(vector.buffer, vector.byteOffset, vector.byteLength));
  }
  putCategories(spec, put);
  putMixture(spec, put);
  return sha256Hex(...parts);
}

type Put = (field: string | Uint8Array) => void;

function putCategories({ categories }: ExpertSpec, put: Put): void {
  if (categories.length === 0) return;
  for (const text of ['categories', String(categories.length), ...categories]) put(text);
}

function putMixture({ mixture }: ExpertSpec, put: Put): void {
  if (!mixture) return;
  put('mixture');
  put(String(mixture.arms.length));
  for (const { expert, alpha, alphaPerMatrix } of mixture.arms) {
    const own = byKey(Object.entries(alphaPerMatrix));
    put(expert);
    put(float64(alpha));
    put(String(own.length));
    for (const [matrix, weight] of own) {
      put(matrix);
      put(float64(weight));
    }
  }
}

function float64(value: number): Uint8Array {
  const bytes = Buffer.alloc(8);
  bytes.writeDoubleLE(value);
  return bytes;
}

/** Order of code units, the same on every machine. */
function byKey<V>(entries: [string, V][]): [string, V][] {
  return entries.sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
}
