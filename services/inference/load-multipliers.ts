import type { Normalisation } from '#proto/zmesh/v1/common.js';
import type { LoadMultipliersRequest, LoadMultipliersResponse } from '#proto/zmesh/v1/inference.js';
import { fault } from '#shared/field.js';
import { draftHash } from '#shared/svf/draft.js';
import type { Expert } from '#shared/svf/model.js';
import { DRAFT } from '#shared/svf/names.js';
import { normalisationName } from '#shared/svf/normalisation.js';
import { checkVectors, readVectors } from '#shared/svf/vectors.js';
import type { ServedModel } from './served-model.js';

/** Keeps multipliers under their hash. Errors as for `readMultipliers`. */
export function loadMultipliers(
  model: ServedModel,
  request: LoadMultipliersRequest,
): LoadMultipliersResponse {
  const { hash, expert } = readMultipliers(model, request, '');
  const { drafts } = model.mixtures;
  drafts.put(hash, expert);
  const { leaseMs, max } = drafts.limits;
  return { expert: `${DRAFT}@${hash}`, leaseMs: BigInt(leaseMs), draftsMax: max };
}

/**
 * Multipliers as a request brings them, checked against the model, and their hash as a draft. Throws MISSING_FIELD, INVALID_FIELD, BAD_SAFETENSORS,
 * BAD_MULTIPLIER, UNKNOWN_MATRIX or WRONG_SHAPE. `path` leads the field names.
 */
export function readMultipliers(
  { prepared }: ServedModel,
  given: { readonly vectors: Uint8Array; readonly normalisation: Normalisation },
  path: string,
): { readonly hash: string; readonly expert: Expert } {
  if (given.vectors.length === 0) throw fault(`${path}vectors`, 'is required', {}, 'MISSING_FIELD');
  const normalisation = normalisationName(given.normalisation, `${path}normalisation`);
  const multipliers = readVectors(given.vectors);
  const ranks = new Map(prepared.adapted.map(({ name, rows, columns }) => [name, Math.min(rows, columns)]));
  checkVectors(multipliers, ranks);
  const expert = { normalisation, multipliers };
  return { hash: draftHash({ model: prepared.name, basisId: prepared.basisId }, expert), expert };
}
