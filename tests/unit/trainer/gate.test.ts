import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decide as decideCase, GATE_DEFAULTS, type GateRule, type GateTask } from '#services/trainer/gate.js';
import { gateOf } from '#services/trainer/run-spec.js';
import type { ZmeshError } from '#shared/errors.js';
import { heldOut } from '#shared/tasks/held-out.js';
import { question } from './softmax-policy.js';

const RULE = { ...GATE_DEFAULTS, seed: 1n };

/** The verdict on an expert whose kept step was trained. */
const decide = (own: GateTask, others: readonly GateTask[], rule: GateRule) =>
  decideCase({ keptStep: 5, own, others }, rule);

/** A task of ±1 rewards: both right, only the base, only the expert, none. */
function task(name: string, both: number, base: number, expert: number, none: number): GateTask {
  const many = (count: number, b: number, e: number) =>
    Array.from({ length: count }, (_, i) => ({ id: `${b}${e}${i}`, base: b, expert: e }));
  return {
    task: name,
    pairs: [...many(both, 1, 1), ...many(base, 1, -1), ...many(expert, -1, 1), ...many(none, -1, -1)],
  };
}

test('a clear gain on 300 questions passes, with both tests shown', () => {
  const verdict = decide(task('sums', 100, 20, 45, 135), [], RULE);
  assert.equal(verdict.passed, true);
  assert.deepEqual(verdict.failures, []);
  const { items, base, expert, difference, rightOrWrong } = verdict.own;
  assert.deepEqual([items, base, expert], [300, 0.4, 145 / 300]);
  // scipy 1.17: bootstrap [0.033, 0.137]; binomtest(20, 65).pvalue.
  assert(Math.abs(difference.low - 0.0333) < 0.004 && Math.abs(difference.high - 0.1367) < 0.004);
  assert(Math.abs(rightOrWrong!.p - 0.0026263768106840374) < 1e-12);
});

test('the start of a run does not pass, whatever it scores: nothing trained was kept', () => {
  const own = task('sums', 100, 20, 45, 135);
  const { passed, failures } = decideCase({ keptStep: 0, own, others: [] }, RULE);
  assert.equal(passed, false);
  assert.deepEqual(failures, [
    'nothing trained was kept: no step scored higher on the validation questions than the start before the first (step 0)',
  ]);
  assert.equal(decideCase({ keptStep: 1, own, others: [] }, RULE).passed, true);
});

test('the same gain on fewer questions does not pass', () => {
  const { passed, failures } = decide(task('sums', 99, 20, 45, 135), [], RULE);
  assert.equal(passed, false);
  assert.match(failures.join(), /sums has 299 held-out questions; the gate wants 300/);
});

test('no gain, a loss, and a gain within chance do not pass', () => {
  for (const own of [
    task('sums', 150, 0, 0, 150),
    task('sums', 100, 45, 20, 135),
    task('sums', 130, 28, 36, 106),
  ])
    assert.match(decide(own, [], RULE).failures.join(), /lower\s+end of its 95 % interval must be above 0/);
});

test('four lucky questions out of 300 pass the bootstrap alone, but not the gate', () => {
  const { passed, failures, own } = decide(task('sums', 100, 0, 4, 196), [], RULE);
  assert(own.difference.low > 0);
  assert.equal(passed, false);
  // scipy: binomtest(0, 4).pvalue = 0.125.
  assert.match(failures.join(), /probability 0\.13 \(exact McNemar\)/);
});

test('rewards between −1 and 1 are compared by the bootstrap alone', () => {
  const pairs = Array.from({ length: 320 }, (_, i) => ({
    id: String(i),
    base: Math.sin(i),
    expert: Math.sin(i) * 0.5 + 0.4,
  }));
  const { passed, own } = decide({ task: 'style', pairs }, [], RULE);
  assert.equal(own.rightOrWrong, undefined);
  assert.equal(passed, true);
});

test('harm on other tasks beyond the margin is said and does not fail', () => {
  const harmed = task('words', 200, 10, 0, 90);
  const slightly = task('code', 200, 6, 0, 94);
  const verdict = decide(task('sums', 100, 20, 45, 135), [harmed, slightly], RULE);
  assert.equal(verdict.passed, true);
  assert.equal(verdict.warnings.length, 1);
  assert.match(verdict.warnings[0]!, /on words the expert scores −0\.033 \[−0\.05/);
  assert.deepEqual(
    verdict.others.map(({ task: name, harm }) => [name, harm]),
    [
      ['words', true],
      ['code', false],
    ],
  );
});

test('a task without questions fails', () => {
  assert.equal(decide({ task: 'none', pairs: [] }, [], RULE).passed, false);
});

test('held out is what neither has the id of a used question nor asks the same', () => {
  const used = [question(1), { ...question(2), id: 'other-id' }];
  const split = [question(1), question(2), question(3), { ...question(4), system: 'Classify:' }];
  assert.deepEqual(
    heldOut(split, [...used, question(4)]).map(({ id }) => id),
    ['q3'],
  );
  assert.deepEqual(
    heldOut([{ ...question(4), id: 'new', system: 'Classify:' }], [question(4)]).map(({ id }) => id),
    ['new'],
  );
});

test('a run may ask for more held-out questions than 300, never for fewer', () => {
  const asked = (itemsMin: number | undefined) =>
    gateOf({ itemsMin, others: [], harmMargin: undefined, skip: false });
  assert.equal(asked(undefined).itemsMin, 300);
  assert.equal(asked(301).itemsMin, 301);
  for (const few of [0, 40, 299])
    assert.throws(
      () => asked(few),
      (error: ZmeshError) => error.reason === 'INVALID_FIELD' && /at least 300, not \d+/.test(error.message),
    );
});
