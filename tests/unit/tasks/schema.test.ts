import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { projectRoot } from '#shared/paths.js';
import { itemFaults } from '#shared/tasks/item-faults.js';
import { LAYOUTS } from '#shared/tasks/layouts/layout.js';
import { SPLIT_RULES } from '#shared/tasks/layouts/split-rule.js';
import { VERIFIERS } from '#shared/tasks/verifier.js';

const schema = JSON.parse(readFileSync(join(projectRoot, 'shared/tasks/task.schema.json'), 'utf8'));
const ajv = new Ajv2020({ allErrors: true, strict: false });
const isTaskFile = ajv.compile(schema);
const isQuestion = ajv.compile({ $ref: '#/$defs/question', $defs: schema.$defs });

test('the published schema knows exactly the verifiers, their fields, layouts and rules that there are', () => {
  const listed = schema.$defs.verifier.oneOf as {
    required: string[];
    properties: Record<string, { const?: string }>;
  }[];
  assert.deepEqual(
    listed.map(({ properties }) => [properties.type!.const, Object.keys(properties).slice(1).sort()]),
    Object.entries(VERIFIERS).map(([type, { fields }]) => [type, [...fields].sort()]),
  );
  const { layout, rule } = schema.properties.source.properties;
  assert.deepEqual(layout.enum, Object.keys(LAYOUTS));
  assert.deepEqual(rule.enum, SPLIT_RULES);
});

test('the schema and the loader agree on questions', () => {
  const ask = (verifier: object, more: object = {}) => ({ id: 'a', prompt: 'b', verifier, ...more });
  const exact = { type: 'exact', value: 'x' };
  const sound = [
    ask(exact),
    ask(exact, { system: '', answers: ['x'], max_tokens: 1, split: 'val' }),
    ask({ type: 'number', value: '-1.5' }),
    ask({ type: 'word', value: 'Zoé' }),
    ask({ type: 'list-program', tests: [{ input: [], output: [9] }] }),
    ask({ type: 'label', value: 'other' }),
    ask({ type: 'regex', pattern: 'a', flags: 'is' }),
    ask({ type: 'final-number', value: '#### 7', extraction: 'official' }),
    ask({ type: 'multiple-choice', value: '3', options: 5 }),
    ask({ type: 'math', value: '\\frac12' }),
    ask({ type: 'unit-tests', language: 'python', entry_point: 'f', tests: 'assert f()' }),
    ask({
      type: 'reference-outputs',
      entry_point: 'f',
      solution: 'x',
      inputs: ['[]'],
      atol: 0.1,
      oracle: 'mbpp',
    }),
    ask({ type: 'reward-service', address: 'a:1,b:2', metadata: { x: 'y' } }),
    ask({ type: 'reward-service' }),
  ];
  const faulty = [
    {},
    ask(exact, { id: '' }),
    ask(exact, { prompt: 7 }),
    ask(exact, { hint: 1 }),
    ask(exact, { max_tokens: 0 }),
    ask(exact, { max_tokens: 1.5 }),
    ask(exact, { answers: [1] }),
    ask(exact, { split: 'dev' }),
    ask({ type: 'essay' }),
    ask({ value: 'x' }),
    ask({ type: 'exact', value: ' ' }),
    ask({ type: 'exact', value: 'x', tests: [] }),
    ask({ type: 'number', value: '1,2' }),
    ask({ type: 'word', value: 'a b' }),
    ask({ type: 'list-program', tests: [] }),
    ask({ type: 'list-program', tests: [{ input: [10], output: [] }] }),
    ask({ type: 'regex', pattern: 'a', flags: 'g' }),
    ask({ type: 'final-number', value: 'none' }),
    ask({ type: 'final-number', value: '1', extraction: 'best' }),
    ask({ type: 'multiple-choice', value: 'K' }),
    ask({ type: 'multiple-choice', value: 'A', options: 1 }),
    ask({ type: 'math' }),
    ask({ type: 'unit-tests', language: 'perl', entry_point: 'f', tests: 'x' }),
    ask({ type: 'unit-tests', language: 'python', entry_point: 'f()', tests: 'x' }),
    ask({ type: 'unit-tests', entry_point: 'f', tests: 'x' }),
    ask({ type: 'unit-tests', language: 'python', entry_point: 'f', tests: ' ' }),
    ask({ type: 'reference-outputs', entry_point: 'f', solution: 'x', inputs: [] }),
    ask({ type: 'reference-outputs', entry_point: 'f', solution: 'x', inputs: ['[]'], atol: -1 }),
    ask({ type: 'reward-service', address: 'nowhere' }),
    ask({ type: 'reward-service', metadata: { x: 1 } }),
  ];
  for (const question of sound) {
    assert.deepEqual(itemFaults(question), []);
    assert.ok(isQuestion(question), JSON.stringify([question, isQuestion.errors]));
  }
  for (const question of faulty) {
    assert.notDeepEqual(itemFaults(question), [], JSON.stringify(question));
    assert.ok(!isQuestion(question), JSON.stringify(question));
  }
});

test("the embedded model's tasks keep to the schema", async () => {
  const folder = join(projectRoot, 'models/octo-nano/tasks');
  for (const path of await readdir(folder, { recursive: true })) {
    if (!/\.jsonl?$/.test(path)) continue;
    const text = readFileSync(join(folder, path), 'utf8');
    if (path.endsWith('task.json')) assert.ok(isTaskFile(JSON.parse(text)), path);
    else
      for (const line of text.split('\n').filter(Boolean).slice(0, 50))
        assert.ok(isQuestion(JSON.parse(line)), `${path}: ${JSON.stringify(isQuestion.errors)}`);
  }
  assert.ok(!isTaskFile({ template: 'none' }) && !isTaskFile({ template: '{prompt}{prompt}' }));
  assert.ok(isTaskFile({ template: 'a {prompt}\nb', source: { layout: 'arc', rule: 'even-odd' } }));
});
