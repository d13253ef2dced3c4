import { expectedValue, valueFault } from './value.js';
import type { Verifier } from './verifier.js';

/** The answer must be the label and nothing else; white space around it does not count. `other` is a label here. */
export const label: Verifier = {
  fault: (spec) => valueFault(spec, { pattern: /^[a-z0-9_-]{1,64}$/, words: 'a label (a-z, 0-9, _ and -)' }),
  accepts: (answer, spec) => answer.trim() === expectedValue(spec),
};
