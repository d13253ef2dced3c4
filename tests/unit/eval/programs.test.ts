import assert from 'node:assert/strict';
import { FinishReason, Priority } from '#proto/zmesh/v1/common.js';
import { Answer, type CompleteResponse, Receipt } from '#proto/zmesh/v1/dispatcher.js';
import { evaluate } from '#services/cli/eval/evaluate.js';
import { cellOf } from '#services/cli/eval/result.js';
import type { TaskItem } from '#shared/tasks/task.js';
import { sandboxTest } from '../tasks/sandbox/open.js';

const item = (id: string, expected: number): TaskItem => ({
  id,
  prompt: 'Write f.',
  system: undefined,
  answers: [],
  maxTokens: 64,
  verifier: {
    type: 'unit-tests',
    language: 'python',
    entry_point: 'f',
    tests: `assert f() == ${expected}`,
  },
});

sandboxTest('programs in answers are judged in the sandbox', async () => {
  const response: CompleteResponse = {
    answers: [
      Answer.create({
        text: '```python\ndef f():\n  return 1\n```',
        tokenIds: [1],
        finishReason: FinishReason.STOP,
      }),
    ],
    receipt: Receipt.create({}),
  };
  const result = await evaluate({
    client: { complete: async () => response },
    model: '',
    concurrency: 2,
    priority: Priority.BATCH,
    tasks: [{ name: 'programs', items: [item('right', 1), item('wrong', 2)] }],
    strategies: [{ name: 'none', strategy: { kind: { $case: 'none', value: {} } } }],
  });
  assert.deepEqual(
    cellOf(result, 'programs', 'none').outcomes.map(({ id, right }) => [id, right]),
    [
      ['right', true],
      ['wrong', false],
    ],
  );
});
