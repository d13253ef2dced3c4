import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ZmeshError } from '#shared/errors.js';
import { parseTaskItems } from '#shared/tasks/parse.js';

const SOUND = { id: 'a', prompt: 'What?', verifier: { type: 'number', value: '3' } };

function faultOf(...lines: readonly unknown[]): string {
  const text = lines.map((line) => (typeof line === 'string' ? line : JSON.stringify(line))).join('\n');
  try {
    parseTaskItems(text, 'tasks.jsonl');
  } catch (error) {
    assert(error instanceof ZmeshError);
    assert.equal(error.reason, 'INVALID_FIELD');
    return error.message;
  }
  throw new Error('no fault was found');
}

test('a question has its fields, and optional ones are absent or empty', () => {
  const full = { ...SOUND, id: 'b', system: 'Be brief.', answers: ['answer 3'], max_tokens: 8 };
  assert.deepEqual(parseTaskItems(`${JSON.stringify(SOUND)}\n\n${JSON.stringify(full)}\n`, 'x'), [
    {
      id: 'a',
      prompt: 'What?',
      system: undefined,
      answers: [],
      maxTokens: undefined,
      verifier: SOUND.verifier,
    },
    {
      id: 'b',
      prompt: 'What?',
      system: 'Be brief.',
      answers: ['answer 3'],
      maxTokens: 8,
      verifier: SOUND.verifier,
    },
  ]);
});

test('every fault is told with its line', () => {
  const message = faultOf(
    SOUND,
    '{"id": ',
    '[]',
    { ...SOUND, id: '', prompt: 7, hint: 'x' },
    { ...SOUND, id: 'b', max_tokens: 0 },
    { ...SOUND, id: 'c', answers: [1] },
    { ...SOUND, id: 'd', verifier: { type: 'essay' } },
    { ...SOUND, id: 'e', verifier: { type: 'number', value: 'three' } },
    { ...SOUND, id: 'f', verifier: { type: 'number', value: '3', tests: [] } },
    { ...SOUND, id: 'g', verifier: { type: 'list-program', tests: [{ input: [1], output: [10] }] } },
    { ...SOUND, id: 'h', verifier: { type: 'list-program', tests: [] } },
    SOUND,
  );
  const lines = message.split('\n');
  assert.equal(lines[0], 'bad tasks:');
  const expected: readonly RegExp[] = [
    /^tasks\.jsonl:2: is not JSON: /,
    /^tasks\.jsonl:3: must be a JSON object$/,
    /^tasks\.jsonl:4: "hint" is not a field \(id, prompt, system, answers, max_tokens, split, verifier\)$/,
    /^tasks\.jsonl:4: id must be a text that is not empty$/,
    /^tasks\.jsonl:4: prompt must be a text that is not empty$/,
    /^tasks\.jsonl:5: max_tokens must be a whole number from 1 to 1048576, not 0$/,
    /^tasks\.jsonl:6: answers must be a list of texts$/,
    /^tasks\.jsonl:7: verifier\.type must be one of [a-z, -]+, not "essay"$/,
    /^tasks\.jsonl:8: verifier\.value must be a decimal number in a string, not "three"$/,
    /^tasks\.jsonl:9: verifier\."tests" is not a field of number$/,
    /^tasks\.jsonl:10: verifier\.tests\[0\] must have input and output, lists of digits 0 to 9$/,
    /^tasks\.jsonl:11: verifier\.tests must be a list that is not empty$/,
    /^tasks\.jsonl:12: id "a" stands in tasks\.jsonl:1 too$/,
  ];
  assert.equal(lines.length, expected.length + 1);
  for (const [i, pattern] of expected.entries()) assert.match(lines[i + 1]!, pattern);
});

test('a file without a question is refused, and a long list of faults is cut', () => {
  assert.equal(faultOf('', ' '), 'bad tasks:\ntasks.jsonl: holds no question');
  const lines = faultOf(...Array(30).fill('x')).split('\n');
  assert.equal(lines.length, 22);
  assert.equal(lines.at(-1), 'and 10 more');
});
