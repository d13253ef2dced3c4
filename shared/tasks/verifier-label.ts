import { compared } from './verdict.js';
import type { Verifier } from './verifier.js';
import { type ValueSpec, valueFault } from './verifier-value.js';

/** The answer must be the label and nothing else; white space around it does not count. `other` is a label here. */
export const label: Verifier<ValueSpec> = {
  fields: ['value'],
  fault: (spec) => valueFault(spec, { pattern: /^[a-z0-9_-]{1,64}$/, words: 'a label (a-z, 0-9, _ and -)' }),
  verify: (answer, { value }) => compared(answer.trim() === value, answer.trim(), value),
};
