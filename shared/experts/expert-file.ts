import { ZmeshError } from '../errors.js';
import { parseSafetensors } from '../safetensors/safetensors.js';
import type { NormalisationName } from '../svf/model.js';
import { readVectors } from '../svf/vectors.js';

/** An expert as a safetensors file brings it, before it is published. */
export interface ExpertFile {
  readonly multipliers: ReadonlyMap<string, Float32Array>;
  /** `normalisation` of the file's metadata; undefined if it has none. */
  readonly normalisation: NormalisationName | undefined;
  /** Empty if it has none. */
  readonly label: string;
  /** Empty if it has none. */
  readonly description: string;
  /** Labels that a classification expert was trained to write: `categories`, separated by commas. Empty if it has none. */
  readonly categories: readonly string[];
  /** The other facts of the file's metadata. */
  readonly metadata: Readonly<Record<string, string>>;
}

/** Facts that have a place of their own in an expert's spec, or say how the file is written. */
const NOT_FREE: ReadonlySet<string> = new Set([
  'normalisation',
  'label',
  'description',
  'kind',
  'folded',
  'categories',
]);

/** Reads an expert file. Throws BAD_SAFETENSORS, BAD_MULTIPLIER, or INVALID_FIELD for a normalisation nobody knows. */
export function readExpertFile(bytes: Uint8Array): ExpertFile {
  const facts = Object.fromEntries(parseSafetensors(bytes).metadata);
  const { normalisation } = facts;
  if (normalisation !== undefined && normalisation !== 'none' && normalisation !== 'trace')
    throw new ZmeshError(
      'INVALID_FIELD',
      `the file says normalisation "${normalisation.slice(0, 80)}"; it can be none or trace`,
      { field: 'spec.normalisation', value: normalisation.slice(0, 80) },
    );
  return {
    multipliers: readVectors(bytes),
    normalisation,
    label: facts.label ?? '',
    description: facts.description ?? '',
    categories: facts.categories ? facts.categories.split(',') : [],
    metadata: Object.fromEntries(Object.entries(facts).filter(([name]) => !NOT_FREE.has(name))),
  };
}
