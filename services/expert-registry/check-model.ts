import type { AdaptedMatrix, ModelManifest } from '#proto/zmesh/v1/expert_registry.js';
import { ZmeshError } from '#shared/errors.js';
import { checkName } from '#shared/svf/names.js';

/** Architectures that models may have. */
export const ARCHITECTURES = ['llama', 'mistral', 'qwen2', 'qwen3'] as const;
/** Most matrices of one model: the record of their names and shapes fits one NATS message. */
export const MATRICES_MAX = 4096;
const MATRIX_NAME_MAX = 128;
/** Two machines' σ agree to about 5e-9; a difference above this share of the largest σ is another decomposition. */
const SIGMA_TOLERANCE = 1e-6;

/** Rank of a matrix: the number of its singular values. */
export const rankOf = (matrix: AdaptedMatrix): number => Math.min(matrix.rows, matrix.columns);

/** σ of a matrix, in the order of the wire; empty where the model was not decomposed. */
export function sigmaOf(matrix: AdaptedMatrix): Float64Array {
  const { singularValues: bytes } = matrix;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Float64Array.from({ length: bytes.length >> 3 }, (_, i) => view.getFloat64(i * 8, true));
}

/** Checks a manifest by itself. Throws MISSING_FIELD, INVALID_FIELD, WRONG_SHAPE, TOO_LARGE. */
export function checkManifest(model: ModelManifest): void {
  checkName(model.name, 'model.name');
  if (!/^[0-9a-f]{64}$/.test(model.fingerprint))
    throw invalid('model.fingerprint', model.fingerprint, 'must be 64 hex digits');
  if (
    !model.basisId.startsWith(`${model.fingerprint}:`) ||
    !/^[0-9a-z._-]{1,32}$/.test(model.basisId.slice(65))
  ) {
    throw invalid('model.basis_id', model.basisId, 'must be <fingerprint>:<decomposition version>');
  }
  if (!(ARCHITECTURES as readonly string[]).includes(model.architecture)) {
    throw invalid('model.architecture', model.architecture, `must be one of ${ARCHITECTURES.join(', ')}`);
  }
  if (model.matrices.length === 0) throw missing('model.matrices');
  if (model.matrices.length > MATRICES_MAX) {
    const message = `model.matrices has ${model.matrices.length} entries, the limit is ${MATRICES_MAX}`;
    throw new ZmeshError('TOO_LARGE', message, {
      field: 'model.matrices',
      limit: MATRICES_MAX,
      value: model.matrices.length,
    });
  }
  const names = new Set<string>();
  for (const matrix of model.matrices) {
    checkMatrix(matrix);
    if (names.has(matrix.name)) throw invalid('model.matrices.name', matrix.name, 'is there twice');
    names.add(matrix.name);
  }
}

function checkMatrix(matrix: AdaptedMatrix): void {
  const { name, rows, columns, singularValues } = matrix;
  if (name === '' || Buffer.byteLength(name) > MATRIX_NAME_MAX) {
    throw invalid('model.matrices.name', name.slice(0, 160), `must be 1 to ${MATRIX_NAME_MAX} bytes`);
  }
  if (rows === 0 || columns === 0)
    throw invalid('model.matrices', `${rows}×${columns}`, `${name} must not be empty`);
  const field = 'model.matrices.singular_values';
  if (singularValues.length === 0) return;
  if (singularValues.length !== rankOf(matrix) * 8) {
    const message = `${name} is ${rows}×${columns} and has ${singularValues.length} bytes of σ, not ${rankOf(matrix) * 8}`;
    throw new ZmeshError('WRONG_SHAPE', message, {
      field,
      limit: rankOf(matrix) * 8,
      value: singularValues.length,
    });
  }
  let before = Number.POSITIVE_INFINITY;
  for (const value of sigmaOf(matrix)) {
    if (!(Number.isFinite(value) && value >= 0 && value <= before)) {
      throw invalid(field, String(value), `of ${name} must be finite, >= 0 and falling`);
    }
    before = value;
  }
}

/**
 * What a name's manifest becomes when `given` is published where `existing` is: the same list of matrices, with the σ of
 * both. Undefined if `given` brings nothing new. Throws MODEL_CONFLICT if it is another model or another decomposition.
 */
export function mergeManifests(existing: ModelManifest, given: ModelManifest): ModelManifest | undefined {
  const conflict = (what: string, has: unknown, got: unknown): ZmeshError =>
    new ZmeshError('MODEL_CONFLICT', `model ${existing.name} has ${what} ${has}, not ${got}`, {
      names: { model: existing.name, existing: String(has) },
      value: String(got),
    });
  for (const field of ['fingerprint', 'basisId', 'architecture', 'parameters'] as const) {
    if (existing[field] !== given[field]) throw conflict(field, existing[field], given[field]);
  }
  const byName = new Map(given.matrices.map((matrix) => [matrix.name, matrix]));
  if (given.matrices.length !== existing.matrices.length) {
    throw conflict('a number of matrices of', existing.matrices.length, given.matrices.length);
  }
  let grown = false;
  const matrices = existing.matrices.map((matrix) => {
    const other = byName.get(matrix.name);
    if (!other) throw conflict('the matrix', matrix.name, 'known to this manifest');
    if (other.rows !== matrix.rows || other.columns !== matrix.columns) {
      throw conflict(
        `${matrix.name} of`,
        `${matrix.rows}×${matrix.columns}`,
        `${other.rows}×${other.columns}`,
      );
    }
    if (other.singularValues.length === 0) return matrix;
    if (matrix.singularValues.length === 0) {
      grown = true;
      return other;
    }
    if (!agree(sigmaOf(matrix), sigmaOf(other)))
      throw conflict('σ of', matrix.name, 'those of this manifest');
    return matrix;
  });
  return grown ? { ...existing, matrices } : undefined;
}

function agree(a: Float64Array, b: Float64Array): boolean {
  const tolerance = (a[0] ?? 0) * SIGMA_TOLERANCE;
  return a.every((value, i) => Math.abs(value - b[i]!) <= tolerance);
}

function missing(field: string): ZmeshError {
  return new ZmeshError('MISSING_FIELD', `${field} is required`, { field });
}

function invalid(field: string, value: string, rule: string): ZmeshError {
  return new ZmeshError('INVALID_FIELD', `${field}: "${value}" ${rule}`, { field, value });
}
