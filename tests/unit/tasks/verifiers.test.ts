import { test } from 'node:test';
import type { VerifierSpec } from '#shared/tasks/verifier.js';
import { check } from './check.js';

test('number takes the last `answer N` and compares numbers, not spellings', async () => {
  await check({ type: 'number', value: '232' }, [
    ['answer 232', true],
    ['8 - 6 = 2 so 232. answer 232', true],
    ['answer 5. No: answer 232.', true],
    ['answer 232. No: answer 5', false],
    ['answer 0232', true],
    ['answer 232.0', true],
    ['answer 232.5', false],
    ['answer 2320', false],
    ['answer -232', false],
    ['answer 232,100', false],
    ['232', false],
    ['Answer 232', false],
    ['', false],
  ]);
  await check({ type: 'number', value: '-0.50' }, [
    ['answer -0.5', true],
    ['answer 0.5', false],
  ]);
  await check({ type: 'number', value: '9007199254740993' }, [
    ['answer 9007199254740993', true],
    ['answer 9007199254740992', false],
  ]);
});

test('word takes the last `answer Word`, case included', async () => {
  await check({ type: 'word', value: 'Leo' }, [
    ['order 1 Bob 2 Leo 3 Sam. answer Leo', true],
    ['answer Leo.', true],
    ['answer Sam. answer Leo', true],
    ['answer Leo. answer Sam', false],
    ['answer leo', false],
    ['answer Leon', false],
    ['I am not sure.', false],
  ]);
});

test('exact and label compare the whole answer but for white space around it', async () => {
  await check({ type: 'exact', value: 'Hi, I am Bob.' }, [
    ['Hi, I am Bob.', true],
    [' Hi, I am Bob.\n', true],
    ['Hi, I am Bob', false],
    ['Hi, I am Bob. Bye.', false],
  ]);
  await check({ type: 'label', value: 'math' }, [
    ['math', true],
    [' math\n', true],
    ['Math', false],
    ['math.', false],
    ['mathematics', false],
  ]);
});

/** What each operation makes of 3 1 2, by hand. */
const BY_HAND: Readonly<Record<string, readonly number[]>> = {
  reverse: [2, 1, 3],
  sort: [1, 2, 3],
  double: [3, 1, 2, 3, 1, 2],
  tail: [1, 2],
  init: [3, 1],
  rotate: [1, 2, 3],
  swap: [2, 1, 3],
  plus: [4, 2, 3],
};

test('list-program runs every operation as its definition says', async () => {
  for (const [name, output] of Object.entries(BY_HAND)) {
    const spec: VerifierSpec = { type: 'list-program', tests: [{ input: [3, 1, 2], output }] };
    await check(spec, [
      [`f = ${name}`, true],
      [`f = ${name} then plus`, false],
    ]);
  }
  const nine: VerifierSpec = { type: 'list-program', tests: [{ input: [9, 0], output: [0, 1] }] };
  await check(nine, [['f = plus', true]]);
  const short: VerifierSpec = { type: 'list-program', tests: [{ input: [7], output: [7] }] };
  await check(short, [
    ['f = swap', true],
    ['f = rotate', true],
    ['f = tail', false],
  ]);
});

test('list-program takes the last program and must pass every test', async () => {
  const tests = [
    { input: [2, 4, 0, 5], output: [5, 4, 0, 2] },
    { input: [1, 6, 5], output: [5, 6, 1] },
  ];
  await check({ type: 'list-program', tests }, [
    ['try reverse 5 0 4 2 no, swap 5 4 0 2 yes. f = swap', true],
    ['f = reverse. f = swap', true],
    ['f = swap. f = reverse', false],
    ['f = sort then reverse', false],
    ['f = fly', false],
    ['f = constructor', false],
    ['swap', false],
    [`f = ${Array(40).fill('double').join(' then ')}`, false],
  ]);
});
