import { expectedValue, lastMatch, valueFault } from './value.js';
import type { Verifier } from './verifier.js';

const ANSWER = /\banswer (-?\d+(?:\.\d+)?)(?![.,]?\d)/g;

/** The last `answer N` counts and must equal the value as a number: `7`, `07` and `7.0` are one. Digits are not grouped. */
export const number: Verifier = {
  fault: (spec) => valueFault(spec, { pattern: /^-?\d+(\.\d+)?$/, words: 'a decimal number in a string' }),
  accepts(answer, spec) {
    const found = lastMatch(answer, ANSWER);
    return found !== undefined && canonical(found) === canonical(expectedValue(spec));
  },
};

/** One spelling for each number, at any length: binary floats would call two long numbers equal. */
function canonical(text: string): string {
  const [, sign, whole, fraction] = /^(-?)0*(\d+?)(?:\.(\d*?)0*)?$/.exec(text) ?? [];
  const digits = fraction ? `${whole}.${fraction}` : `${whole}`;
  return digits === '0' ? '0' : `${sign}${digits}`;
}
