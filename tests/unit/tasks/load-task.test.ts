import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { sha256Hex } from '#shared/ids.js';
import { loadTasks } from '#shared/tasks/load.js';
import { loadTask } from '#shared/tasks/load-task.js';

type Content = Readonly<Record<string, string | object | readonly object[]>>;

/** A folder with files: texts, JSON, or lists of lines of JSON. */
async function folder(t: TestContext, content: Content): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'zmesh-task-'));
  t.after(() => rm(path, { recursive: true }));
  for (const [name, value] of Object.entries(content)) {
    await mkdir(dirname(join(path, name)), { recursive: true });
    const lines = Array.isArray(value)
      ? value.map((line) => JSON.stringify(line)).join('\n')
      : JSON.stringify(value);
    await writeFile(join(path, name), typeof value === 'string' ? value : lines);
  }
  return path;
}

const ask = (id: string, more: object = {}) => ({
  id,
  prompt: `What is ${id}?`,
  verifier: { type: 'exact', value: id },
  ...more,
});

test('a folder with task.json fills in what its questions share', async (t) => {
  const path = await folder(t, {
    'task.json': {
      name: 'capitals',
      description: 'Capitals of countries.',
      system: 'Be brief.',
      template: 'Q: {prompt}\nA:',
      max_tokens: 16,
      verifier: { type: 'exact', value: 'Rome' },
    },
    'train.jsonl': [ask('a'), { id: 'b', prompt: 'Of Italy? $&', system: 'Be long.', max_tokens: 4 }],
    'test.jsonl': [{ id: 'c', prompt: 'Of France?', verifier: { value: 'Paris' } }],
  });
  const task = await loadTask(path);
  assert.equal(task.name, 'capitals');
  assert.deepEqual([task.system, task.template, task.maxTokens], ['Be brief.', 'Q: {prompt}\nA:', 16]);
  assert.deepEqual(task.splits.val, []);
  assert.deepEqual(task.splits.train[1], {
    id: 'b',
    prompt: 'Q: Of Italy? $&\nA:',
    system: 'Be long.',
    answers: [],
    maxTokens: 4,
    verifier: { type: 'exact', value: 'Rome' },
  });
  assert.deepEqual(task.splits.test[0]?.verifier, { type: 'exact', value: 'Paris' });
  assert.deepEqual(await loadTasks(path, 'test'), [{ name: 'capitals', items: task.splits.test }]);
});

test('one file is a task whose questions may name their split', async (t) => {
  const path = await folder(t, {
    'x.jsonl': [ask('a', { split: 'train' }), ask('b', { split: 'val' }), ask('c')],
  });
  const { name, splits } = await loadTask(join(path, 'x.jsonl'));
  assert.equal(name, 'x');
  assert.deepEqual(
    [splits.train, splits.val, splits.test].map((items) => items.map(({ id }) => id)),
    [['a'], ['b'], ['c']],
  );
  const [val] = await loadTasks(join(path, 'x.jsonl'), 'val');
  assert.deepEqual(val?.items, splits.val);
});

test('the hash is over what is asked and judged, in a form that is documented', async (t) => {
  const content = { 'train.jsonl': [ask('a'), ask('b')], 'test.jsonl': [ask('c')] };
  const hash = async (changed: Content) => (await loadTask(await folder(t, { ...content, ...changed }))).hash;
  const line = (id: string) =>
    `{"answers":[],"id":"${id}","prompt":"What is ${id}?","verifier":{"type":"exact","value":"${id}"}}\n`;
  const canonical = `zmesh-task-1\ntrain 2\n${line('a')}${line('b')}val 0\ntest 1\n${line('c')}`;
  const plain = await hash({});
  assert.equal(plain, sha256Hex(canonical));
  const reordered = { verifier: { value: 'c', type: 'exact' }, prompt: 'What is c?', id: 'c' };
  assert.equal(
    await hash({ 'test.jsonl': [reordered], 'task.json': { name: 'other', description: 'x' } }),
    plain,
  );
  const others = [
    { 'test.jsonl': [ask('c', { prompt: 'And c?' })] },
    { 'test.jsonl': [ask('c', { verifier: { type: 'exact', value: 'd' } })] },
    { 'train.jsonl': [ask('b'), ask('a')] },
    { 'train.jsonl': [ask('a')], 'val.jsonl': [ask('b')] },
    { 'task.json': { system: 'Be brief.' } },
    { 'task.json': { max_tokens: 3 } },
    { 'task.json': { template: '{prompt} ' } },
  ];
  const hashes = await Promise.all(others.map(hash));
  assert.equal(new Set([plain, ...hashes]).size, others.length + 1);
});

test('what two splits have in common is a fault with both places, unless prompts may be shared', async (t) => {
  const content = {
    'train.jsonl': [ask('a'), ask('b')],
    'test.jsonl': [ask('a', { prompt: 'Another?' }), ask('c', { prompt: 'What is b?' })],
  };
  const path = await folder(t, content);
  await assert.rejects(loadTask(path), {
    reason: 'INVALID_FIELD',
    message: [
      'bad tasks:',
      `${path}/test.jsonl:1: id "a" stands in train too (${path}/train.jsonl:1)`,
      `${path}/test.jsonl:2: the prompt of "c" stands in train too (${path}/train.jsonl:2)`,
    ].join('\n'),
  });
  const shared = await folder(t, {
    ...content,
    'test.jsonl': [ask('c', { prompt: 'What is b?' })],
    'task.json': { shared_prompts: true },
  });
  assert.equal((await loadTask(shared)).splits.test.length, 1);
  const asked = await folder(t, {
    ...content,
    'test.jsonl': [ask('c', { prompt: 'What is b?', system: 'Else.' })],
  });
  assert.equal((await loadTask(asked)).splits.test.length, 1);
});

test('faults of all files and of task.json are told together, each with its place', async (t) => {
  const path = await folder(t, {
    'train.jsonl': [{ id: 'a' }],
    'val.jsonl': '{"id": 1',
    'test.jsonl': [ask('b', { verifier: { type: 'essay' } })],
  });
  await assert.rejects(loadTask(path), (error: Error) => {
    const lines = error.message.split('\n').map((line) => line.replace(path, ''));
    assert.equal(lines[1], '/train.jsonl:1: prompt must be a text that is not empty');
    assert.equal(lines[2], '/train.jsonl:1: verifier must be an object');
    assert.match(lines[3]!, /^\/val\.jsonl:1: is not JSON: /);
    assert.match(lines[4]!, /^\/test\.jsonl:1: verifier\.type must be one of .*, not "essay"$/);
    return true;
  });
  const faulty = await folder(t, {
    'task.json': {
      nam: 'x',
      name: 'A b',
      template: 'no place',
      max_tokens: 0,
      source: { layout: 3, file: '' },
    },
  });
  await assert.rejects(loadTask(faulty), (error: Error) => {
    const lines = error.message.split('\n').slice(1);
    assert.ok(lines.every((line) => line.startsWith(`${faulty}/task.json: `)));
    assert.deepEqual(
      lines.map((line) => line.slice(`${faulty}/task.json: `.length).split(' ').slice(0, 3).join(' ')),
      [
        '"nam" is not',
        'name must be',
        'max_tokens must be',
        'template must hold',
        'source: "file" is',
        'source.layout must be',
      ],
    );
    return true;
  });
});

test('a layout that does not exist is blamed on who named it: task.json, or the caller', async (t) => {
  const path = await folder(t, { 'task.json': { source: { layout: 'gsm9k' } } });
  await assert.rejects(loadTask(path), (error: Error) =>
    error.message.includes(`${path}/task.json: source.layout must be one of `),
  );
  await assert.rejects(loadTask(path, { source: { layout: 'gsm10k' } }), (error: Error) =>
    error.message.includes(`${path}: source.layout must be one of `),
  );
});

test('task.json may point at published data', async (t) => {
  const row = (i: number) => ({ question: `How many is ${i}?`, answer: `#### ${i}` });
  const path = await folder(t, {
    'task.json': {
      source: { layout: 'gsm8k', files: { train: 'data/a.jsonl', test: 'data/b.jsonl' }, rule: 'even-odd' },
      system: 'Count.',
    },
    'data/a.jsonl': [row(1), row(2), row(3)],
    'data/b.jsonl': [row(4)],
  });
  const { splits } = await loadTask(path);
  assert.deepEqual(
    [splits.train, splits.val, splits.test].map((items) => items.map(({ id, system }) => [id, system])),
    [
      [
        ['train-0', 'Count.'],
        ['train-2', 'Count.'],
      ],
      [['train-1', 'Count.']],
      [['test-0', 'Count.']],
    ],
  );
});

test('paths without a task are refused with what is missing', async (t) => {
  const path = await folder(t, { 'task.json': {} });
  await assert.rejects(loadTask(path), {
    message: /: holds no question; a task is a folder with train\.jsonl/,
  });
  await assert.rejects(loadTask(join(path, 'x')), { message: /there is no such file or folder$/ });
});

test('a byte order mark is no fault; bytes that are not UTF-8 and what is no file are', async (t) => {
  const path = await folder(t, {});
  const line = JSON.stringify({ id: 'q', prompt: 'é', verifier: { type: 'exact', value: 'a' } });
  const file = join(path, 'marked.jsonl');
  await writeFile(file, `\uFEFF${line}\n`);
  assert.deepEqual(
    (await loadTask(file)).splits.test.map(({ prompt }) => prompt),
    ['é'],
  );
  await writeFile(file, Buffer.from(line, 'latin1'));
  await assert.rejects(loadTask(file), { reason: 'INVALID_FIELD', message: /marked\.jsonl: is not UTF-8$/ });
  await assert.rejects(loadTask('/dev/null'), { reason: 'INVALID_FIELD', message: /it is a device/ });
});

test('a budget that the caller gives goes before the task’s, not before a question’s own', async (t) => {
  const item = { prompt: 'a', verifier: { type: 'exact', value: 'a' } };
  const lines = [
    { id: 'own', ...item, max_tokens: 7 },
    { id: 'none', ...item, prompt: 'b' },
  ];
  const path = await folder(t, { 'task.json': { max_tokens: 30 }, 'test.jsonl': lines });
  const { splits } = await loadTask(path, { maxTokens: 12 });
  assert.deepEqual(
    splits.test.map(({ maxTokens }) => maxTokens),
    [7, 12],
  );
});
