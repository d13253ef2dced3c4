import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { projectRoot } from '#shared/paths.js';
import { withRawFields } from '#shared/tasks/layouts/raw-fields.js';
import { applyRule } from '#shared/tasks/layouts/split-rule.js';
import { loadTask } from '#shared/tasks/load-task.js';
import { pythonShuffle } from '#shared/tasks/python-random.js';
import { openScorer } from '#shared/tasks/scorer.js';
import type { Task, TaskItem } from '#shared/tasks/task.js';
import type { TaskSource } from '#shared/tasks/task-file.js';
import { verify } from '#shared/tasks/verifier.js';
import { sandboxTest } from './sandbox/open.js';

const SAMPLES = join(projectRoot, 'tests/unit/tasks/samples');
const load = (path: string, source: TaskSource): Promise<Task> => loadTask(join(SAMPLES, path), { source });
const ids = ({ splits }: Task): string[] =>
  Object.entries(splits).map(([split, items]) => `${split}: ${items.map(({ id }) => id).join()}`);
const verifiersOf = (items: readonly TaskItem[]) => items.map(({ verifier }) => verifier);

test('GSM8K: the number after #### counts, and its own solutions are right', async () => {
  const task = await load('gsm8k', { layout: 'gsm8k' });
  assert.deepEqual(ids(task), ['train: train-0,train-1,train-2', 'val: ', 'test: test-0']);
  assert.equal(task.name, 'gsm8k');
  assert.equal(task.maxTokens, 512);
  assert.match(task.splits.test[0]!.system!, /^Below is an instruction/);
  assert.deepEqual(verifiersOf(task.splits.train), [
    { type: 'final-number', value: '7', extraction: 'corrected' },
    { type: 'final-number', value: '1,200', extraction: 'corrected' },
    { type: 'final-number', value: '-5', extraction: 'corrected' },
  ]);
  for (const item of task.splits.train) assert.ok((await verify(item.answers[0]!, item)).correct, item.id);
});

test('GSM8K by the rule of the published code: even rows train, odd rows validate', async () => {
  const task = await load('gsm8k', { layout: 'gsm8k', rule: 'even-odd', extraction: 'official' });
  assert.deepEqual(ids(task), ['train: train-0,train-2', 'val: train-1', 'test: test-0']);
  assert.equal((await verify('It is 1200.', task.splits.val[0]!)).correct, false);
  const plain = await load('gsm8k', { layout: 'gsm8k' });
  assert.notEqual(task.hash, plain.hash);
});

test('Parquet files are read as the hub writes them', async () => {
  const numbers = await load('gsm8k.parquet', { layout: 'gsm8k' });
  assert.deepEqual(
    numbers.splits.test.map(({ prompt, verifier }) => [
      prompt,
      verifier.type === 'final-number' && verifier.value,
    ]),
    [
      ['Cy buys 2 pens at $3. What does he pay?', '6'],
      ['Di has 9 nuts and eats 4. How many are left?', '5'],
    ],
  );
  const choices = await load('arc.parquet', { layout: 'arc' });
  assert.equal(choices.splits.test[0]?.prompt, 'What is cold?\nOptions:\nA. ice\nB. fire\n');
  await assert.rejects(load('gsm8k/train.jsonl', { layout: 'gsm8k', files: { test: '../arc.parquet' } }), {
    reason: 'INVALID_FIELD',
    message: /arc\.parquet\[0\]: needs the texts question and answer/,
  });
});

test('MATH: folders of JSON files in the order of their numbers, the last box counts', async () => {
  const task = await load('math', { layout: 'math' });
  assert.deepEqual(
    task.splits.train.map(({ prompt, verifier }) => [prompt, verifier.type === 'math' && verifier.value]),
    [
      ['Halve $1$.', '\\frac{1}{2}'],
      ['What is $2+2$?', '4'],
    ],
  );
  assert.equal(task.maxTokens, 1024);
  const test0 = (source: TaskSource) => load('math', source).then(({ splits }) => splits.test[0]!.verifier);
  assert.deepEqual(await test0({ layout: 'math' }), { type: 'math', value: '2', extraction: 'corrected' });
  assert.deepEqual(await test0({ layout: 'math', extraction: 'official' }), {
    type: 'math',
    value: '',
    extraction: 'official',
  });
});

test('ARC: options are lettered, numbered keys become letters but not under the official extraction', async () => {
  const task = await load('arc', { layout: 'arc' });
  assert.deepEqual(ids(task), ['train: A_1,A_2', 'val: A_3', 'test: A_4']);
  assert.equal(
    task.splits.train[1]?.prompt,
    'What do plants need?\nOptions:\nA. noise\nB. stone\nC. light\n',
  );
  assert.deepEqual(verifiersOf(task.splits.train), [
    { type: 'multiple-choice', value: 'B', options: 4, extraction: 'corrected' },
    { type: 'multiple-choice', value: 'C', options: 3, extraction: 'corrected' },
  ]);
  const official = await load('arc', { layout: 'arc', extraction: 'official' });
  assert.equal((await verify('the answer is (C)', official.splits.train[1]!)).correct, false);
  assert.equal((await verify('the answer is (C)', task.splits.train[1]!)).correct, true);
});

test('MBPP and HumanEval: the function that is tested, the question, and what Python must read as it stands', async () => {
  const mbpp = (await load('code/mbpp.jsonl', { layout: 'mbpp' })).splits.test[0]!;
  assert.equal(mbpp.id, 'Mbpp/901');
  assert.equal(
    mbpp.prompt,
    'Write a function to triple a number. Your code should satisfy the following assertion:\n```python\nassert triple(2) == 6\n```',
  );
  assert.deepEqual(mbpp.verifier, {
    type: 'unit-tests',
    language: 'python',
    entry_point: 'triple',
    tests: 'assert triple(2) == 6\nassert triple(-1) == -3',
  });
  const plus = (await load('code/mbpp-plus.jsonl', { layout: 'mbpp', tests: 'plus' })).splits.test[0]!;
  assert.equal(
    plus.prompt,
    'Write a function to halve a number. Your code should satisfy the following assertion:\n```python\nassert halve(3) == 1.5\n```',
  );
  assert.ok(plus.verifier.type === 'reference-outputs');
  assert.deepEqual(plus.verifier.inputs, [
    '[[3], [4.0]]',
    '[[Infinity], [-0.0], [123456789012345678901234567890]]',
  ]);
  const base = (await load('code/mbpp-plus.jsonl', { layout: 'mbpp' })).splits.test[0]!;
  assert.deepEqual(base.verifier.type === 'reference-outputs' && base.verifier.inputs, ['[[3], [4.0]]']);
});

sandboxTest('the published solutions of programs pass their tests, and others do not', async () => {
  const wrong: Readonly<Record<string, string>> = {
    'Mbpp/901': 'def triple(x): return x + 4',
    'Mbpp/902': 'def halve(x): return x // 2',
    'HumanEval/903': '    return xs[1]\n',
    'JavaScript/904': '  return xs[0];\n}\n',
  };
  const tasks = await Promise.all([
    load('code/mbpp.jsonl', { layout: 'mbpp' }),
    load('code/mbpp-plus.jsonl', { layout: 'mbpp', tests: 'plus' }),
    load('code/humaneval.jsonl', { layout: 'humaneval' }),
    load('code/humaneval-js.jsonl', { layout: 'humaneval' }),
  ]);
  const items = tasks.flatMap(({ splits }) => splits.test);
  assert.deepEqual(
    items.map(({ id }) => id),
    Object.keys(wrong),
  );
  const scorer = await openScorer(items);
  const right = await scorer.score(items.map((item) => ({ item, answer: item.answers[0]! })));
  const other = await scorer.score(items.map((item) => ({ item, answer: wrong[item.id]! })));
  for (const [i, { id }] of items.entries()) {
    assert.ok(right[i]!.correct, `${id}: ${right[i]!.detail}`);
    assert.ok(!other[i]!.correct, id);
  }
});

test('faults of published rows are told with their file and line', async () => {
  await assert.rejects(load('arc', { layout: 'gsm8k' }), {
    reason: 'INVALID_FIELD',
    message: /ARC-Easy-Train\.jsonl:1: needs the texts question and answer\n.*ARC-Easy-Train\.jsonl:2: needs/,
  });
  await assert.rejects(load('code/mbpp.jsonl', { layout: 'mbpp', tests: 'plus' }), {
    message: /mbpp\.jsonl:1: has no plus_input/,
  });
  await assert.rejects(load('gsm8k', { layout: 'gsm9k', rule: 'odd-even' }), {
    message:
      /source\.layout must be one of gsm8k, math, arc, mbpp, humaneval, not "gsm9k"\n.*source\.rule must be one of files, even-odd, mbpp, not "odd-even"/,
  });
  await assert.rejects(load('gsm8k', { layout: 'gsm8k', files: { train: 'nowhere.jsonl' } }), {
    message: /no tasks at .*nowhere\.jsonl: there is no such file or folder/,
  });
});

// From CPython 3.11: random.seed(seed); random.shuffle(list(range(n))).
test("shuffling is Python's", () => {
  const shuffled = (seed: number, n: number) => pythonShuffle(seed, [...Array(n).keys()]);
  assert.deepEqual(shuffled(16, 5), [0, 4, 1, 3, 2]);
  assert.deepEqual(shuffled(16, 300).slice(0, 12), [107, 76, 291, 238, 93, 19, 260, 275, 245, 201, 227, 43]);
  assert.deepEqual(shuffled(0, 10), [7, 8, 1, 5, 3, 4, 2, 0, 9, 6]);
  assert.deepEqual(shuffled(4294967295, 10), [0, 7, 1, 5, 2, 6, 4, 8, 3, 9]);
});

test('the rule of MBPP: 200 and 100 of the first 300, the rest tests', () => {
  const rows = Array.from({ length: 399 }, (_, i) => ({ place: `x:${i}`, json: `${i}` }));
  const { train = [], val = [], test: rest = [] } = applyRule('mbpp', { test: rows });
  assert.deepEqual([train.length, val.length, rest.length], [200, 100, 99]);
  assert.deepEqual(
    train.slice(0, 3).map(({ json }) => json),
    ['107', '76', '291'],
  );
  assert.equal(rest[0]?.json, '300');
  assert.equal(new Set([...train, ...val].map(({ json }) => json)).size, 300);
});

test('raw fields become texts as they stood; others, and inner ones, stay', () => {
  const cut = (text: string): unknown => JSON.parse(withRawFields(text, ['a', 'b']));
  assert.deepEqual(cut('{"a": [1.0, NaN, "]}\\""], "c": {"a": 1}, "b" : -0.0}'), {
    a: '[1.0, NaN, "]}\\""]',
    c: { a: 1 },
    b: '-0.0',
  });
  assert.deepEqual(cut('{"c": "\\"a\\": 1", "d": ["a", {"b": 2}]}'), { c: '"a": 1', d: ['a', { b: 2 }] });
  assert.equal(withRawFields('["a", 1]', ['a']), '["a", 1]');
  assert.equal(withRawFields('{"a": ', ['a']), '{"a":""');
});
