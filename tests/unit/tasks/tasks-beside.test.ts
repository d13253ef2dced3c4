import assert from 'node:assert/strict';
import { basename, join } from 'node:path';
import { test } from 'node:test';
import { projectRoot } from '#shared/paths.js';
import { tasksBeside } from '#shared/tasks/tasks-beside.js';

const TASKS = join(projectRoot, 'models/octo-nano/tasks');

test('beside a task of the demo suite are all the others, in order, whichever way its path is written', async () => {
  const others = [
    'arithmetic-two-step',
    'classification',
    'compare',
    'greeting',
    'list-program',
    'list-program-two-step',
    'ordering',
    'ordering-six',
  ];
  for (const path of [join(TASKS, 'arithmetic'), `${TASKS}/arithmetic/`, `${TASKS}/ordering/../arithmetic`])
    assert.deepEqual(
      (await tasksBeside(path)).map((one) => basename(one)),
      others,
    );
});

test('folders without a task do not count, and beside a file there is nothing', async () => {
  assert.deepEqual(await tasksBeside(join(TASKS, 'arithmetic/test.jsonl')), []);
  // Beside models/octo-nano/experts lies tasks/, which is none itself.
  assert.deepEqual(await tasksBeside(join(projectRoot, 'models/octo-nano/experts')), []);
});
