import { EXTRACTIONS, type Extraction } from './extraction.js';
import { compared, verdict } from './verdict.js';
import type { Verifier } from './verifier.js';
import { choiceFault, valueFault } from './verifier-value.js';

/** The right option of a question. */
export interface MultipleChoiceSpec {
  /** Its letter, A to J; the data's own keys 1 to 4 stand for A to D, but never match under `official`, as published. */
  readonly value: string;
  /** How many options there are, 2 to 10. Default 4. */
  readonly options?: number;
  /** Default `corrected`. */
  readonly extraction?: Extraction;
}

/** What Python's `random.seed(42); randint(0, n − 1)` gives for n options: the published guess for an answer without a letter. */
const OFFICIAL_GUESS: Readonly<Record<number, number>> = { 1: 0, 2: 0, 3: 2, 4: 0, 5: 0 };
/** A letter with no letter, digit or underscore beside it, as Python's `\b` sees it. */
const ALONE = /(?<![\p{L}\p{N}_])[A-J](?![\p{L}\p{N}_])/gu;

/**
 * The letter that the answer chooses must be the value's.
 * `official`: the first `answer is (X)`, else the first line's last `Answer: X`, else the last standing capital A to J (the
 * words "I" and "A" too), else a fixed guess. `corrected`: the last `answer is X` or `Answer: X`, else a boxed or bold letter,
 * else an answer that is a letter alone, else the last letter in brackets; only letters of options; no guess.
 */
export const multipleChoice: Verifier<MultipleChoiceSpec> = {
  fields: ['value', 'options', 'extraction'],
  fault(spec) {
    const { options } = spec;
    if (
      options !== undefined &&
      !(Number.isInteger(options) && Number(options) >= 2 && Number(options) <= 10)
    )
      return `verifier.options must be a whole number from 2 to 10, not ${JSON.stringify(options)}`;
    return (
      valueFault(spec, { pattern: /^[A-J1-9]$/, words: 'a letter from A to J or a key from 1 to 9' }) ??
      choiceFault(spec, 'extraction', EXTRACTIONS)
    );
  },
  verify(answer, { value, options = 4, extraction = 'corrected' }) {
    if (extraction === 'corrected') {
      const found = correctedChoice(answer, options);
      return compared(found === letterOf(value), found, letterOf(value));
    }
    const found = officialChoice(answer);
    if (found !== undefined) return compared(found === value, found, value);
    const guess = 'ABCDE'[OFFICIAL_GUESS[options] ?? -1];
    return verdict(guess === value, `no letter was found; the published guess is ${guess ?? 'none'}`);
  },
};

/** The letter of a key: `2` is `B`. */
export function letterOf(key: string): string {
  return /\d/.test(key) ? 'ABCDEFGHI'[Number(key) - 1]! : key;
}

function officialChoice(text: string): string | undefined {
  return (
    /answer is \(?([A-J])\)?/.exec(text)?.[1] ??
    /[^\n]*[aA]nswer:\s*([A-J])/.exec(text)?.[1] ??
    text.match(ALONE)?.at(-1)
  );
}

function correctedChoice(text: string, options: number): string | undefined {
  const letter = `([A-${'ABCDEFGHIJ'[options - 1]}])`;
  const after = '(?![\\p{L}\\p{N}_])';
  const wrapped = String.raw`[\s*_$({\[]*(?:\\(?:boxed|text|textbf|mathrm)\{)*[({\[*]*`;
  const rules = [
    `[aA]nswer(?: is)?:?${wrapped}${letter}${after}`,
    String.raw`\\(?:boxed|fbox)\{(?:\\(?:text|textbf|mathrm)\{)?\(?${letter}${after}`,
    String.raw`\*\*\(?${letter}[).:]?(?:\*\*|\s)`,
    String.raw`^\s*\(?${letter}\)?[.:)]?\s*$`,
    String.raw`^\s*\(?${letter}[.:)]\s`,
    String.raw`\(${letter}\)`,
  ];
  for (const rule of rules) {
    const found = [...text.matchAll(new RegExp(rule, 'gu'))].at(-1)?.[1];
    if (found !== undefined) return found;
  }
  return undefined;
}
