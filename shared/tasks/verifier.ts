import type { Language } from '../sandbox/runtimes.js';
import type { Sandbox } from '../sandbox/sandbox.js';
import type { Rewards } from './reward-client.js';
import type { TaskItem } from './task.js';
import type { Verdict } from './verdict.js';
import { exact } from './verifier-exact.js';
import { type FinalNumberSpec, finalNumber } from './verifier-final-number.js';
import { label } from './verifier-label.js';
import { type ListProgramSpec, listProgram } from './verifier-list-program.js';
import { type MathSpec, math } from './verifier-math.js';
import { type MultipleChoiceSpec, multipleChoice } from './verifier-multiple-choice.js';
import { number } from './verifier-number.js';
import { type ReferenceOutputsSpec, referenceOutputs } from './verifier-reference-outputs.js';
import { type RegexSpec, regex } from './verifier-regex.js';
import { type RewardServiceSpec, rewardService } from './verifier-reward-service.js';
import { type UnitTestsSpec, unitTests } from './verifier-unit-tests.js';
import type { ValueSpec } from './verifier-value.js';
import { word } from './verifier-word.js';

/** What each verifier is told about a question, by the type that a task names. */
export interface VerifierSpecs {
  readonly number: ValueSpec;
  readonly word: ValueSpec;
  readonly 'list-program': ListProgramSpec;
  readonly exact: ValueSpec;
  readonly label: ValueSpec;
  readonly regex: RegexSpec;
  readonly 'final-number': FinalNumberSpec;
  readonly 'multiple-choice': MultipleChoiceSpec;
  readonly math: MathSpec;
  readonly 'unit-tests': UnitTestsSpec;
  readonly 'reference-outputs': ReferenceOutputsSpec;
  readonly 'reward-service': RewardServiceSpec;
}

/** Name of a verifier. */
export type VerifierType = keyof VerifierSpecs;

/** What makes an answer right. */
export type VerifierSpec = { [T in VerifierType]: { readonly type: T } & VerifierSpecs[T] }[VerifierType];

/** What verifiers may call on. */
export interface VerifierTools {
  /** Runs programs of answers; undefined where no question needs it. */
  readonly sandbox?: Sandbox | undefined;
  /** The reward service at an address (empty = the scorer's own); undefined where none is known. */
  rewards?(address: string): Rewards | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** One way of checking answers. */
export interface Verifier<S> {
  /** Fields that a specification may have beside `type`. */
  readonly fields: readonly (keyof S & string)[];
  /** The language that `verify` needs the sandbox for; absent where it needs none. */
  language?(spec: S): Language;
  /** What is wrong with a specification, in a few words; undefined = it is sound. `spec` is parsed JSON. */
  fault(spec: Readonly<Record<string, unknown>>): string | undefined;
  /** Judges an answer. `spec` is sound. */
  verify(answer: string, spec: S, tools: VerifierTools, question: TaskItem): Verdict | Promise<Verdict>;
}

/** Every verifier, by the type that a task names. A new one = a file, a line here and one in `VerifierSpecs`. */
export const VERIFIERS: { readonly [T in VerifierType]: Verifier<VerifierSpecs[T]> } = {
  number,
  word,
  'list-program': listProgram,
  exact,
  label,
  regex,
  'final-number': finalNumber,
  'multiple-choice': multipleChoice,
  math,
  'unit-tests': unitTests,
  'reference-outputs': referenceOutputs,
  'reward-service': rewardService,
};

/** Judges an answer to a question. Throws SANDBOX_UNAVAILABLE where a program would have to run unprotected. */
export function verify(
  answer: string,
  question: TaskItem,
  tools: VerifierTools = {},
): Verdict | Promise<Verdict> {
  const { verifier } = question;
  // The table pairs each type with its own specification; TypeScript cannot follow one index through both.
  const found = VERIFIERS[verifier.type] as Verifier<VerifierSpec>;
  return found.verify(answer, verifier, tools, question);
}
