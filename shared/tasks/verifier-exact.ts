import { compared } from './verdict.js';
import type { Verifier } from './verifier.js';
import { type ValueSpec, valueFault } from './verifier-value.js';

/** The whole answer must equal the value; white space around either does not count. */
export const exact: Verifier<ValueSpec> = {
  fields: ['value'],
  fault: (spec) => valueFault(spec, { pattern: /\S/, words: 'a text that is not empty' }),
  verify: (answer, { value }) => compared(answer.trim() === value.trim(), answer.trim(), value.trim()),
};
