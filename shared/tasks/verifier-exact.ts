import { expectedValue, valueFault } from './value.js';
import type { Verifier } from './verifier.js';

/** The whole answer must equal the value; white space around either does not count. */
export const exact: Verifier = {
  fault: (spec) => valueFault(spec, { pattern: /\S/, words: 'a text that is not empty' }),
  accepts: (answer, spec) => answer.trim() === expectedValue(spec).trim(),
};
