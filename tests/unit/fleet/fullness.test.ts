import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Priority } from '#proto/zmesh/v1/common.js';
import { ZmeshError } from '#shared/errors.js';
import { type Caller, Fullness } from '#shared/fleet/fullness.js';

const caller = (more: Partial<Caller> = {}): Caller => ({
  model: 'nano',
  priority: Priority.INTERACTIVE,
  leftMs: 5000,
  ...more,
});
const full = (retryAfterMs = 800): ZmeshError => new ZmeshError('QUEUE_FULL', 'full', { retryAfterMs });
/** A refusal at 1000 ms of a call that had begun at 900, with 100 calls at work. */
const refusedOnce = (error = full()): Fullness => {
  const fullness = new Fullness();
  fullness.note(caller(), error, { inFlight: 100, startMs: 900, nowMs: 1000 });
  return fullness;
};

test('for an eighth of retry-after nobody is sent, then only fewer at once than were too many', () => {
  const error = full();
  const fullness = refusedOnce(error);
  assert.equal(fullness.refusal(caller(), { inFlight: 0, nowMs: 1099 }), error);
  assert.equal(fullness.refusal(caller(), { inFlight: 89, nowMs: 1100 }), undefined);
  assert.equal(fullness.refusal(caller(), { inFlight: 90, nowMs: 1100 }), error);
  assert.equal(
    fullness.refusal(caller(), { inFlight: 1000, nowMs: 11_000 }),
    undefined,
    'forgotten after 10 s',
  );
});

test('a refusal tells nothing of more patient callers, another priority or another model', () => {
  const fullness = refusedOnce();
  const asked = (more: Partial<Caller>): ZmeshError | undefined =>
    fullness.refusal(caller(more), { inFlight: 100, nowMs: 1001 });
  assert.ok(asked({ priority: Priority.UNSPECIFIED }), 'not given = interactive');
  assert.ok(asked({ leftMs: 1000 }));
  assert.equal(asked({ leftMs: 20_000 }), undefined);
  assert.equal(asked({ priority: Priority.BATCH }), undefined);
  assert.equal(asked({ model: 'large' }), undefined);
});

test('calls that were under way together lower the limit once, answers raise it again', () => {
  const fullness = refusedOnce();
  for (let i = 0; i < 50; i += 1)
    fullness.note(caller(), full(), { inFlight: 100 - i, startMs: 950, nowMs: 1001 });
  assert.equal(fullness.refusal(caller(), { inFlight: 89, nowMs: 1200 }), undefined);
  for (let i = 0; i < 11; i += 1) fullness.answered(caller());
  assert.equal(fullness.refusal(caller(), { inFlight: 90, nowMs: 1200 }), undefined);
  assert.ok(fullness.refusal(caller(), { inFlight: 92, nowMs: 1200 }));
  fullness.note(caller(), full(), { inFlight: 91, startMs: 1150, nowMs: 1250 });
  assert.ok(fullness.refusal(caller(), { inFlight: 82, nowMs: 1400 }), '0.9 of 91');
});

test('the limit never falls to nothing, and other failures say nothing about the queue', () => {
  const fullness = new Fullness();
  for (let i = 0; i < 99; i += 1)
    fullness.note(caller(), full(), { inFlight: 1, startMs: i * 10 + 1, nowMs: i * 10 + 2 });
  assert.equal(fullness.refusal(caller(), { inFlight: 0, nowMs: 1200 }), undefined, 'one may always try');
  const other = new Fullness();
  other.note(caller(), new ZmeshError('DEADLINE', 'late'), { inFlight: 9, startMs: 0, nowMs: 1 });
  assert.equal(other.refusal(caller(), { inFlight: 99, nowMs: 2 }), undefined);
});
