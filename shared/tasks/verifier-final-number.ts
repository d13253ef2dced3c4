import { canonicalDecimal } from './decimal.js';
import { EXTRACTIONS, type Extraction } from './extraction.js';
import { compared } from './verdict.js';
import type { Verifier } from './verifier.js';
import { choiceFault, valueFault } from './verifier-value.js';

/** The number that an answer must end with. */
export interface FinalNumberSpec {
  /** A text with the number last: `72`, `-3.5`, `1,200`, or a whole solution that ends `#### 72`. */
  readonly value: string;
  /** Default `corrected`. */
  readonly extraction?: Extraction;
}

/** The published pattern: neither signs nor separators of thousands (`evaluation/fishfarm`, `extract_answer_number`). */
const OFFICIAL = /\d*\.?\d+/g;
/** A `-` after a number, a bracket or right after a letter subtracts; elsewhere it is a sign, also before a currency sign. */
const CORRECTED =
  /(?:(?<![\p{N})\]}] ?|\p{L})[-−](?=[$€£]?\.?\d))?[$€£]?(?:\d{1,3}(?:,\d{3})+(?![\d,]*\d)|\d+)?(?:\.\d+)?/gu;

/**
 * The last number of the answer must equal the value's last number.
 * `corrected`: signs and separators of thousands count, numbers are compared as decimals at any length.
 * `official`: as published, compared as floats after the value's is cut to a whole number; −5 is 5 and 1,200 is 200.
 * Both know ASCII digits alone; fractions, percentages and exponents are not read: of `3/4` the 4 is the last number.
 */
export const finalNumber: Verifier<FinalNumberSpec> = {
  fields: ['value', 'extraction'],
  fault: (spec) =>
    valueFault(spec, { pattern: /\d/, words: 'a text with a number in it' }) ??
    choiceFault(spec, 'extraction', EXTRACTIONS),
  verify(answer, { value, extraction = 'corrected' }) {
    if (extraction === 'official') {
      const [found, gold] = [officialNumber(answer), Math.trunc(Number(officialNumber(value)))];
      return compared(found !== undefined && Number(found) === gold, found, String(gold));
    }
    const [found, gold] = [correctedNumber(answer), correctedNumber(value)];
    return compared(found !== undefined && found === gold, found, gold ?? value);
  },
};

/** The last number as published; undefined if there is none. */
export function officialNumber(text: string): string | undefined {
  return text.match(OFFICIAL)?.at(-1);
}

/** The last number as a canonical decimal; undefined if there is none. */
export function correctedNumber(text: string): string | undefined {
  let last: string | undefined;
  for (const [found] of text.matchAll(CORRECTED)) if (/\d/.test(found)) last = found;
  return last === undefined ? undefined : canonicalDecimal(last.replace('−', '-').replace(/[$€£,]/g, ''));
}
