import { Normalisation } from '#proto/zmesh/v1/common.js';
import { ZmeshError } from '../errors.js';
import type { NormalisationName } from './model.js';

/** The proto's normalisation by name. Throws INVALID_FIELD where it is not given. */
export function normalisationName(value: Normalisation, field = 'normalisation'): NormalisationName {
  if (value === Normalisation.NONE) return 'none';
  if (value === Normalisation.TRACE) return 'trace';
  throw new ZmeshError('INVALID_FIELD', `${field} must be NORMALISATION_NONE or NORMALISATION_TRACE`, {
    field,
    value,
  });
}

/** A normalisation's proto value; UNSPECIFIED for the base. */
export function normalisationValue(name: NormalisationName | null): Normalisation {
  if (name === null) return Normalisation.UNSPECIFIED;
  return name === 'trace' ? Normalisation.TRACE : Normalisation.NONE;
}
