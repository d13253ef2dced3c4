import { compared } from './verdict.js';
import type { Verifier } from './verifier.js';
import { lastMatch, type ValueSpec, valueFault } from './verifier-value.js';

const ANSWER = /\banswer (\p{L}+)(?!\p{L})/gu;

/** The last `answer Word` counts and must equal the value, case included. */
export const word: Verifier<ValueSpec> = {
  fields: ['value'],
  fault: (spec) => valueFault(spec, { pattern: /^\p{L}+$/u, words: 'one word of letters' }),
  verify(answer, { value }) {
    const found = lastMatch(answer, ANSWER);
    return compared(found === value, found, value);
  },
};
