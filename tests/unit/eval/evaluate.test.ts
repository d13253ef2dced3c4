import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FinishReason, Priority } from '#proto/zmesh/v1/common.js';
import {
  Answer,
  Classification,
  type CompleteRequest,
  type CompleteResponse,
  Receipt,
  ReceiptArm,
} from '#proto/zmesh/v1/dispatcher.js';
import { compareStrategies, renderComparison } from '#services/cli/eval/compare.js';
import { type EvalStrategy, evaluate } from '#services/cli/eval/evaluate.js';
import { evaluateLabels, isLabelTask } from '#services/cli/eval/labels.js';
import { cellOf } from '#services/cli/eval/result.js';
import { accuracyTable, renderAccuracy } from '#services/cli/eval/tables.js';
import { ZmeshError } from '#shared/errors.js';
import { runPool } from '#shared/pool.js';
import type { TaskItem, TaskSplit } from '#shared/tasks/task.js';

const NONE: EvalStrategy = { name: 'none', strategy: { kind: { $case: 'none', value: {} } } };
const MATH: EvalStrategy = {
  name: 'math',
  strategy: { kind: { $case: 'expert', value: { expert: 'math' } } },
};

function item(id: string, value: string, more: Partial<TaskItem> = {}): TaskItem {
  const verifier = { type: 'number' as const, value };
  return {
    id,
    prompt: `What is ${value}?`,
    system: undefined,
    answers: [],
    maxTokens: 16,
    verifier,
    ...more,
  };
}

const SUMS: TaskSplit = {
  name: 'sums',
  items: [item('a', '1'), item('b', '2'), item('c', '3', { system: 'Add.', maxTokens: undefined })],
};
const OTHERS: TaskSplit = { name: 'others', items: [item('a', '4')] };

/** Answers right under math; under none only the first question. */
function answer({ request }: CompleteRequest): CompleteResponse {
  const value =
    request?.prompt?.input?.$case === 'chat' ? request.prompt.input.value.messages.at(-1)!.content : '';
  const digit = /\d/.exec(value)![0];
  const adapted = request?.strategy?.kind?.$case === 'expert';
  return {
    answers: [
      Answer.create({
        text: adapted || digit === '1' ? `answer ${digit}` : 'answer 0',
        tokenIds: [1, 2],
        finishReason: adapted && digit === '4' ? FinishReason.LENGTH : FinishReason.STOP,
      }),
    ],
    receipt: Receipt.create(
      adapted
        ? {
            arms: [ReceiptArm.create({ expert: 'nano/math@x' })],
            classification: Classification.create({ label: 'math' }),
          }
        : {},
    ),
  };
}

const BASE = {
  model: '',
  concurrency: 3,
  priority: Priority.BATCH,
  tasks: [SUMS, OTHERS],
  strategies: [NONE, MATH],
};

test('every question is asked under every strategy, greedily, within its budget, and verified', async () => {
  const asked: CompleteRequest[] = [];
  const progress: number[] = [];
  const client = {
    complete: async (request: CompleteRequest) => {
      asked.push(request);
      return answer(request);
    },
  };
  const onProgress = (done: number, total: number): void => {
    assert.equal(total, 8);
    progress.push(done);
  };
  const result = await evaluate({ ...BASE, client, onProgress });
  assert.deepEqual(progress, [1, 2, 3, 4, 5, 6, 7, 8]);
  const rights = (task: string, strategy: string) =>
    cellOf(result, task, strategy)
      .outcomes.map(({ id, right }) => `${id}${right ? '+' : '-'}`)
      .join(' ');
  assert.equal(rights('sums', 'none'), 'a+ b- c-');
  assert.equal(rights('sums', 'math'), 'a+ b+ c+');
  assert.equal(rights('others', 'math'), 'a-', 'a right answer past its budget is wrong');
  const [outcome] = cellOf(result, 'sums', 'math').outcomes;
  assert.deepEqual([outcome?.label, outcome?.experts, outcome?.tokens], ['math', ['nano/math@x'], 2]);
  const third = asked.find(
    ({ request }) =>
      request?.prompt?.input?.$case === 'chat' && request.prompt.input.value.messages.length === 2,
  );
  assert.equal(third?.request?.sampling?.maxTokens, undefined);
  for (const { request } of asked) {
    assert.equal(request?.sampling?.temperature, 0);
    assert.equal(request.priority, Priority.BATCH);
  }
});

test('two tasks or strategies of one name are refused', async () => {
  const client = { complete: async (request: CompleteRequest) => answer(request) };
  await assert.rejects(evaluate({ ...BASE, client, tasks: [SUMS, OTHERS, SUMS] }), {
    reason: 'INVALID_FIELD',
    message: 'two of the tasks are called "sums"',
  });
  await assert.rejects(evaluate({ ...BASE, client, strategies: [NONE, NONE] }), {
    reason: 'INVALID_FIELD',
    message: 'two of the strategies are called "none"',
  });
});

test('a limit takes the first questions of each task', async () => {
  const result = await evaluate({
    ...BASE,
    client: { complete: async (request) => answer(request) },
    limit: 2,
  });
  assert.deepEqual(
    result.cells.map(({ outcomes }) => outcomes.map(({ id }) => id).join('')),
    ['ab', 'ab', 'a', 'a'],
  );
});

test('no more questions than the concurrency are under way at once', async () => {
  let running = 0;
  let most = 0;
  const complete = async (request: CompleteRequest) => {
    most = Math.max(most, ++running);
    await new Promise((resolve) => setTimeout(resolve, 2));
    running--;
    return answer(request);
  };
  await evaluate({ ...BASE, client: { complete } });
  assert.equal(most, 3);
});

test('a full queue is waited for; another failure ends the evaluation and names the question', async () => {
  let refusals = 0;
  const crowded = async (request: CompleteRequest) => {
    if (refusals++ < 3) throw new ZmeshError('QUEUE_FULL', 'full', { retryAfterMs: 1 });
    return answer(request);
  };
  const result = await evaluate({ ...BASE, client: { complete: crowded } });
  assert.equal(result.cells.flatMap(({ outcomes }) => outcomes).length, 8);
  const broken = async (request: CompleteRequest) => {
    if (request.request?.strategy?.kind?.$case === 'expert')
      throw new ZmeshError('UNKNOWN_EXPERT', 'no expert "math"');
    return answer(request);
  };
  await assert.rejects(evaluate({ ...BASE, concurrency: 1, client: { complete: broken } }), {
    reason: 'UNKNOWN_EXPERT',
    message: 'sums/a under math: no expert "math"',
  });
});

test('a pool stops at the first failure, aborts what runs, and begins nothing more', async () => {
  const begun: number[] = [];
  let aborted = false;
  const run = async (job: number, signal: AbortSignal): Promise<void> => {
    begun.push(job);
    if (job === 1) throw new Error('broken');
    await new Promise<void>((resolve) =>
      signal.addEventListener('abort', () => {
        aborted = true;
        resolve();
      }),
    );
  };
  await assert.rejects(runPool([0, 1, 2, 3], { concurrency: 2 }, run), /broken/);
  assert.deepEqual(begun, [0, 1]);
  assert(aborted);
});

test('tables count right answers with intervals, and the mean weighs tasks alike', async () => {
  const result = await evaluate({ ...BASE, client: { complete: async (request) => answer(request) } });
  const table = accuracyTable(result);
  assert.deepEqual(
    table.rows.map(({ cells }) => cells.map(({ right, asked }) => `${right}/${asked}`)),
    [
      ['1/3', '3/3'],
      ['0/1', '0/1'],
    ],
  );
  assert.deepEqual(table.mean, [1 / 6, 0.5]);
  assert.equal(
    renderAccuracy(table),
    [
      'task    questions  none             math',
      'sums            3  0.33 [.06, .79]  1.00 [.44, 1.00]',
      'others          1  0.00 [.00, .79]  0.00 [.00, .79]',
      'mean               0.17             0.50',
      '',
    ].join('\n'),
  );
  assert.equal(
    renderAccuracy(table, 'markdown'),
    [
      '| task | questions | none | math |',
      '|---|---|---|---|',
      '| sums | 3 | 0.33 [.06, .79] | 1.00 [.44, 1.00] |',
      '| others | 1 | 0.00 [.00, .79] | 0.00 [.00, .79] |',
      '| mean |  | 0.17 | 0.50 |',
      '',
    ].join('\n'),
  );
});

test('strategies are compared on the same questions, by task and over all', async () => {
  const result = await evaluate({ ...BASE, client: { complete: async (request) => answer(request) } });
  const comparison = compareStrategies(result, 'none', 'math');
  assert.deepEqual(
    comparison.tasks.map(({ comparison: { firstOnly, secondOnly, items } }) => [
      firstOnly,
      secondOnly,
      items,
    ]),
    [
      [0, 2, 3],
      [0, 0, 1],
    ],
  );
  assert.equal(comparison.all.difference.estimate, 0.5);
  assert.equal(comparison.all.p, 0.5);
  const [, sums, , all] = renderComparison(comparison).split('\n');
  assert.match(sums!, /^sums +3 +\+0\.667 +\[/);
  assert.match(all!, /^all +4 +\+0\.500 +\[.*\] +0 +2 +0\.500$/);
  assert.throws(() => compareStrategies(result, 'none', 'code'), /no task sums under code/);
});

test('label tasks go through pass 1 alone, without their own system message, into a confusion matrix', async () => {
  const label = (id: string, value: string): TaskItem =>
    item(id, '1', { system: 'Classify:', prompt: `${id} ${value}`, verifier: { type: 'label', value } });
  const task: TaskSplit = {
    name: 'labels',
    items: [label('a', 'math'), label('b', 'math'), label('c', 'other')],
  };
  assert(isLabelTask(task));
  assert(!isLabelTask(SUMS));
  const client = {
    classify: async ({ prompt }: { prompt: { input?: unknown } | undefined }) => {
      const { value } = prompt!.input as { value: { messages: { role: string; content: string }[] } };
      assert.deepEqual(
        value.messages.map(({ role }) => role),
        ['user'],
      );
      const found = value.messages[0]!.content.startsWith('b') ? 'code' : value.messages[0]!.content.slice(2);
      const classification = Classification.create({ label: found, abstained: found === 'code' });
      return { classification, receipt: undefined };
    },
  };
  const result = await evaluateLabels({ ...BASE, client, task, strategy: NONE });
  assert.deepEqual(result, {
    task: 'labels',
    strategy: 'none',
    right: 2,
    asked: 3,
    confusion: { math: { math: 1, code: 1 }, other: { other: 1 } },
    abstained: 1,
  });
});
