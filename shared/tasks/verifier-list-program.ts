import assert from 'node:assert/strict';
import { lastMatch } from './value.js';
import type { Verifier } from './verifier.js';

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
export const listProgram: Verifier = {
  fault({ tests }) {
    if (!Array.isArray(tests) || tests.length === 0) return 'verifier.tests must be a list that is not empty';
    const bad = tests.findIndex((test) => !(isDigits(test?.input) && isDigits(test?.output)));
    return bad < 0 ? undefined : `verifier.tests[${bad}] must have input and output, lists of digits 0 to 9`;
  },
  accepts(answer, spec) {
    assert(spec.type === 'list-program', 'the table picks the verifier by the type');
    const program = lastMatch(answer, PROGRAM)?.split(' then ');
    if (!program?.every((name) => Object.hasOwn(OPERATIONS, name))) return false;
    return spec.tests.every(({ input, output }) => equal(run(program, input), output));
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
