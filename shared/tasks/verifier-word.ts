import { expectedValue, lastMatch, valueFault } from './value.js';
import type { Verifier } from './verifier.js';

const ANSWER = /\banswer (\p{L}+)(?!\p{L})/gu;

/** The last `answer Word` counts and must equal the value, case included. */
export const word: Verifier = {
  fault: (spec) => valueFault(spec, { pattern: /^\p{L}+$/u, words: 'one word of letters' }),
  accepts: (answer, spec) => lastMatch(answer, ANSWER) === expectedValue(spec),
};
