import assert from 'node:assert/strict';
import { test } from 'node:test';
import { groupRows } from '#services/inference/engine/batches.js';
import { type Running, StepRows } from '#services/inference/engine/step-rows.js';
import type { PriorityClass, Row, Task } from '#services/inference/engine/task.js';

/** A task with a prompt of so many tokens left, or with so many running answers. */
interface Plain {
  readonly id: number;
  readonly priority?: PriorityClass;
  readonly prompt?: number;
  readonly answers?: number;
  readonly pastPages?: number;
}

function plain({ id, priority = 'batch', prompt = 0, answers = 0, pastPages = 1 }: Plain): Task {
  const row = (length: number, answer: number): Row =>
    ({
      task,
      answer,
      step: {
        tokens: new Int32Array(length),
        pastLength: pastPages * 16,
        pages: new Int32Array(pastPages),
        wanted: new Int32Array(0),
      },
      targets: null,
      topK: 1,
      fullLogits: false,
    }) as unknown as Row;
  const task = {
    id,
    priority,
    prefilling: prompt > 0,
    promptTokens: prompt,
    promptRow: (budget: number) => row(Math.min(budget, prompt), -1),
    decodeRows: () => Array.from({ length: answers }, (_, i) => row(1, i)),
  } as unknown as Task;
  return task;
}

const runningOf = (tasks: readonly Plain[]): Running[] =>
  tasks.map((task) => ({ task: plain(task), passedOver: 0 }));
const told = (rows: readonly Row[]): string[] =>
  rows.map(({ task, step, answer }) => `${task.id}:${answer < 0 ? step.tokens.length : 'answer'}`);

test('a prompt that a step could take whole waits for the next one; a longer one takes what is left', () => {
  const rows = new StepRows({ stepTokens: 100, slots: 8 });
  const whole = runningOf([60, 60, 30].map((prompt, i) => ({ id: i + 1, prompt })));
  assert.deepEqual(told(rows.next(whole, false)), ['1:60', '3:30']);
  assert.deepEqual(
    told(
      rows.next(
        runningOf([
          { id: 1, prompt: 60 },
          { id: 2, prompt: 101 },
        ]),
        false,
      ),
    ),
    ['1:60', '2:40'],
  );
});

test('batch answers wait for prompts that the step has no room for, eight steps in a row at most', () => {
  const rows = new StepRows({ stepTokens: 100, slots: 8 });
  const running = runningOf([
    { id: 1, answers: 2 },
    { id: 2, prompt: 80 },
    { id: 3, prompt: 80 },
  ]);
  const answered = Array.from({ length: 18 }, () => told(rows.next(running, false)).includes('1:answer'));
  assert.deepEqual(
    answered.flatMap((did, step) => (did ? [step] : [])),
    [8, 17],
  );
});

test('batch answers do not wait where the step has room, a person runs, or one waits for their room', () => {
  const rows = (): StepRows => new StepRows({ stepTokens: 100, slots: 8 });
  const answers = { id: 1, answers: 1 };
  const crowd: Plain[] = [answers, { id: 2, prompt: 80 }, { id: 3, prompt: 80 }];
  const answered = (tasks: readonly Plain[], waits = false): boolean =>
    told(rows().next(runningOf(tasks), waits)).includes('1:answer');
  assert.equal(answered(crowd), false);
  assert.equal(answered(crowd.slice(0, 2)), true);
  assert.equal(answered(crowd, true), true);
  assert.equal(answered([...crowd, { id: 4, priority: 'interactive', answers: 1 }]), true);
});

test('while a person runs, batch requests get a quarter of the slots and of the prompt tokens in each step', () => {
  const rows = new StepRows({ stepTokens: 100, slots: 8 });
  const batch: Plain[] = [
    { id: 1, answers: 3 },
    { id: 2, answers: 3 },
    { id: 3, prompt: 90 },
  ];
  const people: Plain[] = [{ id: 4, priority: 'interactive', answers: 5 }];
  assert.deepEqual(told(rows.next(runningOf(batch), false)), [
    ...new Array(3).fill('1:answer'),
    ...new Array(3).fill('2:answer'),
    '3:90',
  ]);
  assert.deepEqual(told(rows.next(runningOf([...batch, ...people]), false)), [
    ...new Array(5).fill('4:answer'),
    ...new Array(2).fill('1:answer'),
    '3:25',
  ]);
});

test('answers share a batch until padding their pasts would cost more than another batch', () => {
  const answers = (pages: readonly number[]): Row[] =>
    pages.flatMap((pastPages, i) => plain({ id: i + 1, answers: 1, pastPages }).decodeRows());
  const sizes = (pages: readonly number[], paddingMax: number): number[] =>
    groupRows(answers(pages), paddingMax).map(({ rows }) => rows.length);
  assert.deepEqual(sizes([9, 1, 1, 1], 24), [4]);
  assert.deepEqual(sizes([9, 1, 1, 1], 23), [3, 1]);
  assert.deepEqual(sizes([1, 2, 3, 4], 0), [1, 1, 1, 1]);
});

test('batches with a person’s row go first', () => {
  const rows = [
    ...plain({ id: 1, answers: 2 }).decodeRows(),
    plain({ id: 2, prompt: 20 }).promptRow(20)!,
    plain({ id: 3, prompt: 90, priority: 'interactive' }).promptRow(90)!,
  ];
  assert.deepEqual(
    groupRows(rows, 100).map(({ rows: batch }) => told(batch)),
    [['3:90'], ['1:answer', '1:answer'], ['2:20']],
  );
});
