import { ExpertSpec } from '#proto/zmesh/v1/expert_registry.js';
import type { Expert, NormalisationName } from './model.js';
import { DRAFT } from './names.js';
import { normalisationValue } from './normalisation.js';
import { expertVersion } from './version.js';

/**
 * The hash of multipliers that are published nowhere, 64 hex digits: the version that they would have as an expert named
 * `draft` of this model and basis. Equal multipliers have one hash on every machine; the name is `draft@<hash>`.
 */
export function draftHash(
  owner: { readonly model: string; readonly basisId: string },
  expert: Expert,
): string {
  const normalisation = normalisationValue(expert.normalisation satisfies NormalisationName);
  return expertVersion(ExpertSpec.create({ ...owner, name: DRAFT, normalisation }), expert.multipliers);
}
