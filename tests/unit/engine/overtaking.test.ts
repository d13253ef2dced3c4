import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CompletionPace } from '#services/inference/engine/completion-pace.js';
import { Overtaking } from '#services/inference/engine/overtaking.js';
import { Queues } from '#services/inference/engine/queues.js';

test('where nobody overtakes the factor is 1, also when those before leave early', () => {
  const overtaking = new Overtaking();
  const waiting = Array.from({ length: 40 }, (_, place) => overtaking.comes(place));
  for (const [i, starts] of waiting.entries()) if (i % 2 === 0) starts();
  assert.equal(overtaking.factor, 1);
});

test('a request behind ten who start with ten more waits for twice as many as it saw', () => {
  const overtaking = new Overtaking();
  for (let round = 0; round < 100; round += 1) {
    const last = overtaking.comes(10);
    for (let i = 0; i < 20; i += 1) overtaking.comes(0)();
    last();
  }
  assert.ok(Math.abs(overtaking.factor - 2) < 0.01, `${overtaking.factor}`);
});

test('a queue in which every first pass sends a second one refuses what would end too late because of it', () => {
  const queues = new Queues<{ id: number; priority: 'interactive'; slots: number; second: boolean }>(10_000);
  const WAIT = { leftMs: Number.POSITIVE_INFINITY, running: 0 };
  let id = 0;
  const push = (sinceMs: number, second: boolean): void =>
    queues.push({ id: id++, priority: 'interactive', slots: 1, second }, { sinceMs, ...WAIT });
  // 100 wait; every 10 ms one ends: half of them are seconds that took their request's place.
  for (let i = 0; i < 100; i += 1) push(i, false);
  for (let nowMs = 0; nowMs < 20_000; nowMs += 10) {
    const next = queues.peek('interactive')!;
    queues.shift('interactive');
    if (next.second) push(nowMs, false);
    else push(-1, true);
    queues.noteEnded(1, nowMs);
  }
  assert.ok(
    queues.intervalMs! > 18 && queues.intervalMs! < 22,
    `${queues.intervalMs} ms for each before it, 10 with the second`,
  );
});

test('a pace that was measured under other work is forgotten while nobody waits', () => {
  const pace = new CompletionPace();
  for (let nowMs = 0; nowMs <= 9000; nowMs += 300) pace.note(nowMs, { ended: 1, waiting: true });
  assert.ok(Math.abs(pace.intervalMs! - 300) < 30);
  for (let nowMs = 9010; nowMs < 9000 + 20_000; nowMs += 10) pace.note(nowMs, { ended: 1, waiting: false });
  assert.equal(pace.intervalMs, null);
});

test('a pace that held for minutes is forgotten within 10 s of nobody waiting, as one that held for seconds', () => {
  const pace = new CompletionPace();
  for (let nowMs = 0; nowMs <= 300_000; nowMs += 600) pace.note(nowMs, { ended: 1, waiting: true });
  assert.ok(pace.intervalMs! > 500);
  for (let nowMs = 300_010; nowMs < 310_000; nowMs += 10) pace.note(nowMs, { ended: 1, waiting: false });
  assert.equal(pace.intervalMs, null);
});

test('lighter work after a short pause has its own pace within a second of waiting', () => {
  const pace = new CompletionPace();
  for (let nowMs = 0; nowMs <= 60_000; nowMs += 600) pace.note(nowMs, { ended: 1, waiting: true });
  for (let nowMs = 60_010; nowMs <= 65_000; nowMs += 10) pace.note(nowMs, { ended: 1, waiting: false });
  for (let nowMs = 65_010; nowMs <= 66_000; nowMs += 10) pace.note(nowMs, { ended: 1, waiting: true });
  assert.ok(pace.intervalMs! < 80, `${pace.intervalMs} ms, 10 is the pace and 600 was the one before`);
});

test('a process that stood still for a quarter of an hour has the pace that it had', () => {
  const pace = new CompletionPace();
  for (let nowMs = 0; nowMs <= 30_000; nowMs += 10) pace.note(nowMs, { ended: 1, waiting: true });
  const before = pace.intervalMs!;
  const wokenMs = 930_000;
  pace.note(wokenMs, { ended: 0, waiting: true });
  assert.ok(pace.intervalMs! < 10 * before, `${pace.intervalMs} ms, ${before} before`);
  for (let step = 1; step <= 3000; step += 1) pace.note(wokenMs + 10 * step, { ended: 1, waiting: true });
  assert.ok(pace.intervalMs! < 2 * before, `${pace.intervalMs} ms, ${before} before`);
});

test('where nothing ends for longer than is remembered, the pace says nothing', () => {
  const pace = new CompletionPace();
  let nowMs = 0;
  for (; nowMs <= 9000; nowMs += 300) pace.note(nowMs, { ended: 1, waiting: true });
  for (; nowMs <= 300_000; nowMs += 300) pace.note(nowMs, { ended: 0, waiting: true });
  assert.equal(pace.intervalMs, null);
});
