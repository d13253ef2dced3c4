import { exact } from './verifier-exact.js';
import { label } from './verifier-label.js';
import { listProgram } from './verifier-list-program.js';
import { number } from './verifier-number.js';
import { word } from './verifier-word.js';

/** One example of a list function: what goes in and what must come out, digits 0 to 9. */
export interface ListTest {
  readonly input: readonly number[];
  readonly output: readonly number[];
}

/** What makes an answer right. */
export type VerifierSpec =
  | { readonly type: 'number' | 'word' | 'exact' | 'label'; readonly value: string }
  | { readonly type: 'list-program'; readonly tests: readonly ListTest[] };

/** One way of checking answers. */
export interface Verifier {
  /** What is wrong with a specification, in a few words; undefined = it is sound. `spec` is parsed JSON. */
  fault(spec: Readonly<Record<string, unknown>>): string | undefined;
  /** True if the answer is right. `spec` is sound and of this verifier's type. */
  accepts(answer: string, spec: VerifierSpec): boolean;
}

/** Every verifier, by the type that a task names. A new one = a file and a line here. */
export const VERIFIERS: Readonly<Record<VerifierSpec['type'], Verifier>> = {
  number,
  word,
  'list-program': listProgram,
  exact,
  label,
};

/** True if the answer is right. */
export function verify(answer: string, spec: VerifierSpec): boolean {
  return VERIFIERS[spec.type].accepts(answer, spec);
}
