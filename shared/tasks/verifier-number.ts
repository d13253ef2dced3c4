import { canonicalDecimal } from './decimal.js';
import { compared } from './verdict.js';
import type { Verifier } from './verifier.js';
import { lastMatch, type ValueSpec, valueFault } from './verifier-value.js';

const ANSWER = /\banswer (-?\d+(?:\.\d+)?)(?![.,]?\d)/g;

/** The last `answer N` counts and must equal the value as a number: `7`, `07` and `7.0` are one. Digits are not grouped. */
export const number: Verifier<ValueSpec> = {
  fields: ['value'],
  fault: (spec) => valueFault(spec, { pattern: /^-?\d+(\.\d+)?$/, words: 'a decimal number in a string' }),
  verify(answer, { value }) {
    const found = lastMatch(answer, ANSWER);
    const right = found !== undefined && canonicalDecimal(found) === canonicalDecimal(value);
    return compared(right, found, value);
  },
};
