import { type Verdict, verdict } from './verdict.js';
import type { Verifier } from './verifier.js';
import { lastMatch } from './verifier-value.js';

/** One example of a list function: what goes in and what must come out, digits 0 to 9. */
export interface ListTest {
  readonly input: readonly number[];
  readonly output: readonly number[];
}

/** Examples that a list program must get right. */
export interface ListProgramSpec {
  readonly tests: readonly ListTest[];
}

type Digits = readonly number[];

const OPERATIONS: Readonly<Record<string, (list: Digits) => Digits>> = {
  reverse: (list) => [...list].reverse(),
  sort: (list) => [...list].sort((a, b) => a - b),
  double: (list) => [...list, ...list],
  tail: (list) => list.slice(1),
  init: (list) => list.slice(0, -1),
  rotate: (list) => [...list.slice(1), ...list.slice(0, 1)],
  swap: (list) => (list.length < 2 ? list : [...list.slice(-1), ...list.slice(1, -1), ...list.slice(0, 1)]),
  plus: (list) => list.map((digit) => (digit + 1) % 10),
};
const PROGRAM = /\bf = ([a-z]+(?: then [a-z]+)*)/g;
/** Doubling grows a list as fast as an answer grows; a program that goes past this is wrong. */
const LENGTH_MAX = 4096;

/** The last `f = op then op …` of the answer is run on every test and must give every output. Operations: see the table. */
export const listProgram: Verifier<ListProgramSpec> = {
  fields: ['tests'],
  fault({ tests }) {
    if (!Array.isArray(tests) || tests.length === 0) return 'verifier.tests must be a list that is not empty';
    const bad = tests.findIndex((test) => !(isDigits(test?.input) && isDigits(test?.output)));
    return bad < 0 ? undefined : `verifier.tests[${bad}] must have input and output, lists of digits 0 to 9`;
  },
  verify(answer, { tests }): Verdict {
    const program = lastMatch(answer, PROGRAM)?.split(' then ');
    if (!program) return verdict(false, 'no "f = …" was found');
    const unknown = program.find((name) => !Object.hasOwn(OPERATIONS, name));
    if (unknown !== undefined) return verdict(false, `"${unknown}" is not an operation`);
    const failed = tests.findIndex(({ input, output }) => !equal(run(program, input), output));
    const name = program.join(' then ');
    return failed < 0
      ? verdict(true, `f = ${name} passes ${tests.length} tests`)
      : verdict(false, `f = ${name} fails test ${failed + 1} of ${tests.length}`);
  },
};

function run(program: readonly string[], input: Digits): Digits | undefined {
  let list: Digits | undefined = input;
  for (const name of program) {
    list = OPERATIONS[name]?.(list);
    if (!list || list.length > LENGTH_MAX) return undefined;
  }
  return list;
}

function equal(a: Digits | undefined, b: Digits): boolean {
  return a?.length === b.length && a.every((digit, i) => digit === b[i]);
}

function isDigits(value: unknown): value is Digits {
  return Array.isArray(value) && value.every((digit) => Number.isInteger(digit) && digit >= 0 && digit <= 9);
}
