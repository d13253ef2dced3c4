import assert from 'node:assert/strict';
import { test } from 'node:test';
import { METHODS } from '../../hostile/methods.js';
import { createSlowCalls } from '../../hostile/slow-calls.js';

test('of each RPC the slowest call is told, the slowest first, with where it waited', () => {
  const slow = createSlowCalls();
  const [one, two] = METHODS as [(typeof METHODS)[number], (typeof METHODS)[number]];
  const note = (method: typeof one, index: number, allMs: number): void =>
    slow.note({ method, making: 'valid' }, index, {
      messages: [Buffer.alloc(1), Buffer.alloc(1)],
      times: { allMs, silenceMs: allMs - 100, silenceAfter: 1 },
    });
  note(one, 1, 2000);
  note(one, 44, 3000);
  note(one, 87, 1000);
  note(two, 2, 65_000);
  const [, first, second, last] = slow.lines();
  assert.match(
    first!,
    new RegExp(
      `${two.name} \\(request 2, valid\\): 65.0 s, 2 messages, longest silence 64.9 s after message 1`,
    ),
  );
  assert.match(second!, new RegExp(`${one.name} \\(request 44, valid\\): 3.0 s`));
  assert.match(last!, /event loop was busy for \d+ %/);
});
