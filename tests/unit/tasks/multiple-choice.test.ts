import { test } from 'node:test';
import { check } from './check.js';

test('multiple-choice, corrected: the letter that was chosen last, never a word, never a guess', async () => {
  await check({ type: 'multiple-choice', value: 'B' }, [
    ['The answer is (B).', true],
    ['The answer is B', true],
    ['the answer is **B**', true],
    ['The answer is: \\boxed{B}', true],
    ['The answer is $\\boxed{\\text{B}}$.', true],
    ['Answer: B. Water', true],
    ['answer:(B)', true],
    ['I first thought that the answer is (C), but the answer is (B).', true],
    ['the answer is (B), no, wait: the answer is (C)', false],
    ['B', true],
    [' b ', false],
    ['(B)', true],
    ['B.', true],
    ['B. Water', true],
    ['It must be (B) since it floats', true],
    ['**B)** Water', true],
    ['\\boxed{B}', true],
    ['The answer is Boron', false],
    ['B vitamins help', false],
    ['', false],
  ]);
  await check({ type: 'multiple-choice', value: 'A' }, [
    ['A rock is heavier than I am', false],
    ['A', true],
    ['no letter here', false],
  ]);
  await check({ type: 'multiple-choice', value: 'I', options: 10 }, [
    ['I think so', false],
    ['the answer is I', true],
    ['the answer is (J)', false],
  ]);
  await check({ type: 'multiple-choice', value: '2', options: 4 }, [
    ['the answer is (B)', true],
    ['the answer is (E)', false],
  ]);
});

// By hand from evaluation/fishfarm's ai2_arc.py; the guesses are what CPython 3.11 draws after random.seed(42).
test('multiple-choice, official: first "answer is", then "Answer:", then any capital, then a fixed guess', async () => {
  await check({ type: 'multiple-choice', value: 'C', extraction: 'official' }, [
    ['The answer is (C). No: the answer is (B).', true],
    ['The answer is (B). No: the answer is (C).', false],
    ['answer is Carbon', true],
    ['Answer: B or Answer: C', true],
    ['Answer: B\nAnswer: C', false],
    ['I think it is C', true],
    ['C it is, I think', false],
    ['It is (C) and not _D', true],
  ]);
  await check({ type: 'multiple-choice', value: 'I', options: 4, extraction: 'official' }, [
    ['C it is, I think', true],
  ]);
  const nothing = 'no letter at all';
  await check({ type: 'multiple-choice', value: 'A', options: 4, extraction: 'official' }, [[nothing, true]]);
  await check({ type: 'multiple-choice', value: 'B', options: 4, extraction: 'official' }, [
    [nothing, false],
  ]);
  await check({ type: 'multiple-choice', value: 'A', options: 5, extraction: 'official' }, [[nothing, true]]);
  await check({ type: 'multiple-choice', value: 'C', options: 3, extraction: 'official' }, [[nothing, true]]);
  await check({ type: 'multiple-choice', value: '2', options: 4, extraction: 'official' }, [
    ['the answer is (B)', false],
    ['the answer is (2)', false],
  ]);
});
