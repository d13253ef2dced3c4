import { ExpertKind, type ExpertSpec } from '#proto/zmesh/v1/expert_registry.js';
import { ZmeshError } from '#shared/errors.js';
import type { Expert } from '#shared/svf/model.js';
import { BASE, checkExpertName, checkLabel, checkName, OTHER } from '#shared/svf/names.js';
import { normalisationName } from '#shared/svf/normalisation.js';
import { checkVectors, readVectors } from '#shared/svf/vectors.js';
import { rankOf } from './check-model.js';
import type { ModelRecord } from './records.js';

const DESCRIPTION_BYTES_MAX = 512;
const METADATA_ENTRIES_MAX = 64;
const METADATA_BYTES_MAX = 16 * 1024;
const CATEGORIES_MAX = 256;

/**
 * Checks what an expert says of itself and fills the defaults in (kind: task), so that equal meaning has one version.
 * Throws MISSING_FIELD, INVALID_FIELD, TOO_LARGE.
 */
export function checkSpec(given: ExpertSpec | undefined): ExpertSpec {
  if (!given) throw new ZmeshError('MISSING_FIELD', 'spec is required', { field: 'spec' });
  const kind = given.kind === ExpertKind.UNSPECIFIED ? ExpertKind.TASK : given.kind;
  const spec = { ...given, kind };
  checkName(spec.model, 'spec.model');
  checkExpertName(spec.name, 'spec.name');
  const kindName = KIND_NAMES.get(spec.kind);
  if (!kindName) throw invalid('spec.kind', spec.kind, `${spec.kind} is not known`);
  if (!isAdaptation(spec) || !isBaseAlone(spec)) normalisationName(spec.normalisation, 'spec.normalisation');
  if (spec.label !== '') {
    checkLabel(spec.label, 'spec.label');
    if (kind !== ExpertKind.TASK)
      throw invalid('spec.label', spec.label, `${kindName} has no label, "${spec.label}" was given`);
  }
  if (spec.mixture && !isAdaptation(spec))
    throw invalid('spec.mixture', spec.mixture.arms.length, `${kindName} has no mixture`);
  checkSizes(spec);
  return { ...spec, categories: checkCategories(spec, kindName) };
}

const KIND_NAMES: ReadonlyMap<number, string> = new Map([
  [ExpertKind.TASK, 'a task expert'],
  [ExpertKind.CLASSIFIER, 'a classification expert'],
  [ExpertKind.ADAPTATION, 'an adaptation'],
]);

/** True for a mixture that was found for a task: it has arms instead of vectors. */
export function isAdaptation({ kind }: Pick<ExpertSpec, 'kind'>): boolean {
  return kind === ExpertKind.ADAPTATION;
}

/** The base alone has no normalisation. */
function isBaseAlone({ mixture, normalisation }: ExpertSpec): boolean {
  return (mixture?.arms ?? []).every(({ expert }) => expert === BASE) && normalisation === 0;
}

/** The labels a classification expert was trained to write, in order. */
function checkCategories({ kind, categories }: ExpertSpec, kindName: string): string[] {
  const field = 'spec.categories';
  if (categories.length === 0) return [];
  if (kind !== ExpertKind.CLASSIFIER)
    throw invalid(field, categories.length, `${kindName} has no categories`);
  if (categories.length > CATEGORIES_MAX) {
    const message = `${field} has ${categories.length} labels, the limit is ${CATEGORIES_MAX}`;
    throw new ZmeshError('TOO_LARGE', message, { field, limit: CATEGORIES_MAX, value: categories.length });
  }
  for (const label of categories) if (label !== OTHER) checkLabel(label, field);
  const sorted = [...new Set(categories)].sort();
  if (sorted.length < categories.length)
    throw invalid(field, categories.length, 'a label stands twice in it');
  return sorted;
}

function invalid(field: string, value: number | string, what: string): ZmeshError {
  return new ZmeshError('INVALID_FIELD', `${field}: ${what}`, { field, value });
}

function checkSizes(spec: ExpertSpec): void {
  const entries = Object.entries(spec.metadata);
  const metadataBytes = entries.reduce(
    (sum, [key, value]) => sum + Buffer.byteLength(key) + Buffer.byteLength(value),
    0,
  );
  const limits = [
    ['spec.description', 'bytes', Buffer.byteLength(spec.description), DESCRIPTION_BYTES_MAX],
    ['spec.metadata', 'entries', entries.length, METADATA_ENTRIES_MAX],
    ['spec.metadata', 'bytes', metadataBytes, METADATA_BYTES_MAX],
  ] as const;
  for (const [field, unit, value, limit] of limits) {
    if (value <= limit) continue;
    throw new ZmeshError('TOO_LARGE', `${field} has ${value} ${unit}, the limit is ${limit}`, {
      field,
      value,
      limit,
    });
  }
}

/** Checks the size of a vectors file before it is parsed. Throws MISSING_FIELD, TOO_LARGE. */
export function checkVectorsSize(vectors: Uint8Array, maxBytes: number): void {
  if (vectors.length === 0)
    throw new ZmeshError('MISSING_FIELD', 'vectors is required', { field: 'vectors' });
  if (vectors.length <= maxBytes) return;
  const message = `vectors has ${vectors.length} bytes, the limit is ${maxBytes}`;
  throw new ZmeshError('TOO_LARGE', message, { field: 'vectors', limit: maxBytes, value: vectors.length });
}

/**
 * Reads an expert's vectors and checks them against its model.
 * Throws BASIS_MISMATCH, BAD_SAFETENSORS, BAD_MULTIPLIER, UNKNOWN_MATRIX, WRONG_SHAPE.
 */
export function checkExpert(
  model: ModelRecord,
  spec: ExpertSpec,
  vectors: Uint8Array,
): Expert['multipliers'] {
  const { manifest } = model;
  checkBasis(model, spec);
  const multipliers = readVectors(vectors);
  const decomposed = new Set(model.decomposed);
  for (const name of multipliers.keys()) {
    if (decomposed.has(name) || !manifest.matrices.some((matrix) => matrix.name === name)) continue;
    const message = `model ${manifest.name} was not decomposed at ${name}: import it again with --adapt all`;
    throw new ZmeshError('UNKNOWN_MATRIX', message, {
      field: 'vectors',
      names: { model: manifest.name, matrix: name },
    });
  }
  checkVectors(multipliers, new Map(manifest.matrices.map((matrix) => [matrix.name, rankOf(matrix)])));
  return multipliers;
}

/** Throws BASIS_MISMATCH if an expert is not of its model's basis. */
export function checkBasis({ manifest }: ModelRecord, spec: ExpertSpec): void {
  if (spec.basisId === manifest.basisId) return;
  const message = `spec.basis_id is ${spec.basisId || '(empty)'}, model ${manifest.name} has ${manifest.basisId}`;
  throw new ZmeshError('BASIS_MISMATCH', message, {
    field: 'spec.basis_id',
    value: spec.basisId,
    limit: manifest.basisId,
    names: { model: manifest.name },
  });
}
