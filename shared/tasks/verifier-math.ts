import { EXTRACTIONS, type Extraction } from './extraction.js';
import { correctedAnswer, correctedEqual } from './math/corrected.js';
import { officialAnswer, officialEqual } from './math/official.js';
import { compared, verdict } from './verdict.js';
import type { Verifier } from './verifier.js';
import { choiceFault } from './verifier-value.js';

/** The expression that an answer must end with, as in the MATH data. */
export interface MathSpec {
  /** What stands in the solution's box. Empty = the published code finds none there: no answer is then the right one. */
  readonly value: string;
  /** Default `corrected`. */
  readonly extraction?: Extraction;
}

/**
 * Compares LaTeX answers as normalised texts, numbers, constants and lists of these. Not symbolically: `x+1` and `1+x`
 * differ, and so do sets in another order. `official` repeats the published rules and faults: see `math/official.ts`.
 */
export const math: Verifier<MathSpec> = {
  fields: ['value', 'extraction'],
  fault(spec) {
    const { value, extraction } = spec;
    if (typeof value !== 'string')
      return `verifier.value must be a text, not ${JSON.stringify(value) ?? 'missing'}`;
    if (value.trim() === '' && extraction !== 'official')
      return 'verifier.value must be a text that is not empty (only the official extraction knows "no answer")';
    return choiceFault(spec, 'extraction', EXTRACTIONS);
  },
  verify(answer, { value, extraction = 'corrected' }) {
    if (extraction === 'corrected') {
      const found = correctedAnswer(answer);
      return compared(found !== undefined && correctedEqual(value, found), found, value);
    }
    const [gold, found] = [value === '' ? undefined : value, officialAnswer(answer)];
    if (gold === undefined && found === undefined) return verdict(true, 'no answer, and the data has none');
    return compared(officialEqual(gold, found), found, value);
  },
};
