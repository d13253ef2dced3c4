import assert from 'node:assert/strict';
import { test } from 'node:test';
import { itemFaults } from '#shared/tasks/item-faults.js';
import { verify } from '#shared/tasks/verifier.js';
import { check, question } from './check.js';

test('regex is found anywhere, anchored where the pattern says so, with its flags', async () => {
  await check({ type: 'regex', pattern: '\\bParis\\b' }, [
    ['It is Paris.', true],
    ['It is paris.', false],
    ['Parisian', false],
  ]);
  await check({ type: 'regex', pattern: '^yes[.!]?$', flags: 'i' }, [
    ['Yes!', true],
    ['yes, but', false],
  ]);
  await check({ type: 'regex', pattern: 'a?' }, [['', true]]);
});

test('a pattern that backtracks for ever is cut off and counts as not found', async () => {
  const verifier = { type: 'regex' as const, pattern: '^(a+)+$' };
  const { correct, detail } = await verify(`${'a'.repeat(60)}b`, question(verifier));
  assert.equal(correct, false);
  assert.equal(detail, 'the pattern was not matched within 1000 ms');
});

test('a pattern that is none, and flags that are none, are faults', () => {
  const faults = (spec: object) => itemFaults({ id: 'a', prompt: 'b', verifier: { type: 'regex', ...spec } });
  assert.match(faults({ pattern: '(' })[0]!, /^verifier\.pattern: Invalid regular expression/);
  assert.deepEqual(faults({ pattern: 'a', flags: 'gg' }), [
    'verifier.flags must be some of i, m and s, each once, not "gg"',
  ]);
  assert.deepEqual(faults({}), ['verifier.pattern must be a text that is not empty']);
});
