import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CompletionPace } from '#services/inference/engine/completion-pace.js';
import { Queues } from '#services/inference/engine/queues.js';
import type { PriorityClass, Task } from '#services/inference/engine/task.js';
import { ZmeshError } from '#shared/errors.js';

const STEP_MS = 10;
const SLOTS = 8;
const SERVICE_MS = 1000;

const task = (id: number, priority: PriorityClass = 'interactive', slots = 1): Task =>
  ({ id, priority, slots, pagesMax: 1 }) as Task;

interface Waiting {
  readonly dueMs: number;
  endMs: number;
}

/**
 * Callers who wait `patienceMs` and come `perSecond` at a time with so many `answers` each (default 1), served by SLOTS slots
 * for `serviceMs` (default SERVICE_MS) each.
 */
function simulate({
  perSecond,
  patienceMs,
  seconds,
  answers = 1,
  serviceMs = SERVICE_MS,
}: {
  perSecond: number;
  patienceMs: number;
  seconds: number;
  answers?: number;
  serviceMs?: number;
}) {
  const queues = new Queues(100_000);
  const callers = new Map<number, Waiting>();
  let running: number[] = [];
  let [id, served, refused, late] = [0, 0, 0, 0];
  const hints: number[] = [];
  for (let nowMs = 0; nowMs < seconds * 1000; nowMs += STEP_MS) {
    for (const due = (nowMs / 1000) * perSecond; id < due; ) {
      const number = ++id;
      callers.set(number, { dueMs: nowMs + patienceMs, endMs: 0 });
      try {
        const wait = { sinceMs: nowMs, leftMs: patienceMs, running: running.length * answers };
        queues.push(task(number, 'interactive', answers), wait);
      } catch (error) {
        assert.ok(error instanceof ZmeshError && error.reason === 'QUEUE_FULL');
        hints.push(error.details.retryAfterMs!);
        callers.delete(number);
        refused += 1;
      }
    }
    for (const [number, caller] of callers)
      if (caller.dueMs <= nowMs) {
        queues.remove(number);
        running = running.filter((one) => one !== number);
        callers.delete(number);
        late += 1;
      }
    const ended = running.filter((number) => callers.get(number)!.endMs <= nowMs);
    for (const number of ended) callers.delete(number);
    running = running.filter((number) => !ended.includes(number));
    served += ended.length;
    // As in the engine's loop: before others take the room.
    queues.noteEnded(ended.length * answers, nowMs);
    while ((running.length + 1) * answers <= SLOTS && queues.peek('interactive')) {
      const next = queues.peek('interactive')!;
      queues.shift('interactive');
      callers.get(next.id)!.endMs = nowMs + serviceMs;
      running.push(next.id);
    }
  }
  return { served, refused, late, hints };
}

test('ten times as many callers as can be served, each with a deadline: as many are served as at the peak', () => {
  const capacity = (SLOTS * 1000) / SERVICE_MS;
  for (const patienceMs of [3000, 5000, 20_000]) {
    const { served, refused, late, hints } = simulate({ perSecond: capacity * 10, patienceMs, seconds: 120 });
    assert.ok(
      served >= 0.9 * capacity * 120,
      `${served} served of ${capacity * 120}, patience ${patienceMs} ms`,
    );
    assert.ok(refused > late * 5, `${refused} were told at once, ${late} waited for nothing`);
    const hint = hints.at(-1)!;
    assert.ok(hint > 100 && hint <= patienceMs, `told to come back in ${hint} ms`);
  }
});

test('requests of many answers, of which three end within a deadline, are as many at ten times the load as at the peak', () => {
  const serviceMs = 5000;
  const capacity = 1000 / serviceMs;
  const seconds = 600;
  const heavy = { answers: SLOTS, serviceMs, patienceMs: 15_000, seconds };
  const { served, refused, late } = simulate({ perSecond: capacity * 10, ...heavy });
  assert.ok(served >= 0.9 * capacity * seconds, `${served} served of ${capacity * seconds}`);
  assert.ok(refused > late * 5, `${refused} were told at once, ${late} waited for nothing`);
});

test('nobody is refused for his deadline while the slots keep up', () => {
  const { refused, late, served } = simulate({ perSecond: 7, patienceMs: 1500, seconds: 60 });
  assert.deepEqual([refused, late], [0, 0]);
  assert.ok(served > 400);
});

test('the pace counts only while somebody waits, and says nothing before it has seen enough', () => {
  const pace = new CompletionPace();
  pace.note(0, { ended: 0, waiting: true });
  for (let i = 1; i <= 7; i += 1) pace.note(i * 100, { ended: 1, waiting: true });
  assert.equal(pace.intervalMs, null);
  pace.note(800, { ended: 1, waiting: false });
  pace.note(900, { ended: 1, waiting: true });
  for (let i = 1; i <= 3; i += 1) pace.note(900 + i * 100, { ended: 1, waiting: true });
  assert.ok(Math.abs(pace.intervalMs! - 100) < 1, String(pace.intervalMs));
  pace.note(1300, { ended: 0, waiting: false });
  pace.note(3_600_000, { ended: 0, waiting: true });
  pace.note(3_600_100, { ended: 1, waiting: true });
  assert.equal(pace.intervalMs, null, 'an hour without callers is no slow hour: it is forgotten');
});

test('a batch request waits for the interactive ones as well', () => {
  const queues = new Queues(100);
  for (let i = 0; i < 5; i += 1) queues.push(task(i), { sinceMs: i, leftMs: 60_000, running: 4 });
  for (let i = 1; i <= 10; i += 1) queues.noteEnded(1, i * 1000);
  const offer = (priority: PriorityClass, leftMs: number) => () =>
    queues.push(task(99, priority), { sinceMs: 100, leftMs, running: 4 });
  assert.throws(offer('batch', 11_000), {
    reason: 'QUEUE_FULL',
    message:
      /^0 batch requests wait: this one would end in about \d+ ms; it must be expected within 8800 ms, 0\.8 of the 11000 ms to its deadline$/,
  });
  assert.throws(offer('batch', 11_500), (error: ZmeshError) => {
    const { limit, value } = error.details;
    return limit === 9200 && typeof value === 'number' && value > limit;
  });
  offer('batch', 30_000)();
  assert.throws(offer('interactive', 11_000), { reason: 'QUEUE_FULL' });
});

test('who came in first goes first, also where he comes from another queue', () => {
  const queues = new Queues(100);
  const at = (id: number, sinceMs: number): void =>
    queues.push(task(id), { sinceMs, leftMs: Number.POSITIVE_INFINITY, running: 1 });
  at(1, 100);
  at(2, 300);
  at(3, 200);
  at(4, 100);
  const order: number[] = [];
  for (let next = queues.peek('interactive'); next; next = queues.peek('interactive')) {
    order.push(next.id);
    queues.shift('interactive');
  }
  assert.deepEqual(order, [1, 4, 3, 2]);
});
