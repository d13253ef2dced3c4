import assert from 'node:assert/strict';
import { test } from 'node:test';
import { algorithmNamed } from '#services/trainer/algorithms/registry.js';
import {
  type Action,
  afterStep,
  afterValidation,
  beginRun,
  nextAction,
  type RunState,
} from '#services/trainer/loop.js';
import { decodeRun, encodeRun } from '#services/trainer/run-file.js';
import { readSettings } from '#services/trainer/settings.js';
import { validate, validationItems } from '#services/trainer/validation.js';
import { MODEL, question, softmaxTrials } from './softmax-policy.js';

const signal = new AbortController().signal;
const TRAIN = Array.from({ length: 10 }, (_, i) => question(i));
const VAL = Array.from({ length: 8 }, (_, i) => question(20 + i));

function begin(name: string, given: Record<string, string>): RunState {
  const algorithm = algorithmNamed(name);
  return beginRun(algorithm.begin(MODEL, readSettings(algorithm, given), 11n));
}

/** One action of a run, as the service does it. */
async function perform(run: RunState, action: Action): Promise<RunState> {
  const algorithm = algorithmNamed(run.training.algorithm);
  const trials = softmaxTrials();
  if (action.kind === 'train') {
    const items = action.batch.map((index) => TRAIN[index]!);
    return afterStep(run, (await algorithm.step(run.training, items, trials, signal)).state);
  }
  const multipliers = algorithm.multipliers(run.training);
  const items = validationItems(run.training, VAL);
  return afterValidation(run, await validate(run.training, multipliers, items, trials, signal), multipliers);
}

/** A run to its end; `between` may replace its state after each action. */
async function finish(start: RunState, between: (run: RunState) => RunState = (run) => run) {
  let run = start;
  const kinds: string[] = [];
  for (;;) {
    const action = nextAction(run, TRAIN.length);
    kinds.push(action.kind);
    if (action.kind === 'finish') return { run, kinds, reason: action.reason };
    run = between(await perform(run, action));
  }
}

for (const name of ['reinforce', 'next-token', 'sep-cma-es'])
  test(`a run of ${name} that is resumed after every action ends with the same bits`, async () => {
    const given = { steps: '5', prompts: '3', 'validate-every': '2', 'validation-items': '5' };
    const undisturbed = await finish(begin(name, given));
    const resumed = await finish(begin(name, given), (run) => decodeRun(encodeRun(run)));
    assert.deepEqual(resumed, undisturbed);
    assert.deepEqual(encodeRun(resumed.run), encodeRun(undisturbed.run));
    assert.equal(undisturbed.run.training.step, 5);
  });

test('the untrained state, every n-th and the last step are validated', async () => {
  const { run, kinds, reason } = await finish(begin('reinforce', { steps: '5', 'validate-every': '2' }));
  assert.deepEqual(
    run.validations.map(({ step }) => step),
    [0, 2, 4, 5],
  );
  assert.equal(kinds.filter((kind) => kind === 'train').length, 5);
  assert.equal(reason, 'steps');
});

test('the best validated step is kept, the earliest of equal ones', () => {
  let run = begin('reinforce', { steps: '9', 'validate-every': '1' });
  const at = (step: number, score: number): void => {
    run = afterStep(run, { ...run.training, step });
    run = afterValidation(run, { score, right: 0, items: 1 }, new Map([['m', Float32Array.of(step)]]));
  };
  for (const [step, score] of [0.1, 0.5, 0.5, 0.2].entries()) at(step, score);
  assert.deepEqual(run.best, { step: 1, score: 0.5, multipliers: new Map([['m', Float32Array.of(1)]]) });
});

test('a run out of patience stops, one that still improves does not', () => {
  let run = begin('reinforce', { steps: '9', 'validate-every': '1', patience: '2' });
  const next: string[] = [];
  for (const [step, score] of [0, 0.1, 0.1, 0.2, 0.1, 0.2].entries()) {
    run = afterStep(run, { ...run.training, step });
    run = afterValidation(run, { score, right: 0, items: 1 }, new Map());
    const action = nextAction(run, 10);
    next.push(action.kind === 'finish' ? action.reason : action.kind);
  }
  assert.deepEqual(next, ['train', 'train', 'train', 'train', 'train', 'no-progress']);
});

test('validation asks the same questions each time, at most as many as it should', () => {
  const run = begin('reinforce', { 'validation-items': '5' });
  const ids = validationItems(run.training, VAL).map(({ id }) => id);
  assert.equal(new Set(ids).size, 5);
  assert.deepEqual(
    validationItems({ ...run.training, step: 3 }, VAL).map(({ id }) => id),
    ids,
  );
  assert.equal(validationItems(begin('reinforce', {}).training, VAL).length, 8);
});

test('bytes that are not a run are refused as corrupt', () => {
  assert.throws(() => decodeRun(new Uint8Array(3)), { reason: 'CORRUPT' });
  const bytes = encodeRun(begin('reinforce', {}));
  const other = Buffer.from(
    Buffer.from(bytes).toString('latin1').replace('zmesh-run-state-1', 'zmesh-run-state-9'),
    'latin1',
  );
  assert.throws(() => decodeRun(other), { reason: 'CORRUPT' });
});
