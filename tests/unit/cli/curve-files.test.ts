import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Run, RunSpec, RunStep, TrainingTask } from '#proto/zmesh/v1/trainer.js';
import { curveEvents, curveSvg } from '#services/cli/runs/curve-files.js';
import { eventFile } from '#shared/tensorboard/event-file.js';
import { timestamp } from '#shared/timestamp.js';

const STARTED = 1_700_000_000_250;
const run = Run.create({
  id: '3f2a91c04d',
  spec: RunSpec.create({
    model: 'octo-nano',
    expert: 'math',
    algorithm: 'reinforce',
    task: TrainingTask.create({ name: 'arithmetic' }),
  }),
  startedAt: timestamp(new Date(STARTED)),
  curve: [
    RunStep.create({ step: 0, validation: 0.25, bestStep: 0 }),
    RunStep.create({
      step: 1,
      tokens: 100n,
      seconds: 2,
      metrics: { reward: 0.5, 'gradient-norm': 3 },
      validation: 0.5,
      bestStep: 1,
    }),
  ],
});

test('a run becomes a picture with its name and the step that is kept', () => {
  const svg = curveSvg(run);
  assert.match(svg, /octo-nano\/math · arithmetic · reinforce, step 1 kept/);
  assert.match(svg, /gradient norm before clipping/);
});

test('a run without a validation yet keeps no step', () => {
  assert.doesNotMatch(curveSvg(Run.create({ ...run, curve: [] })), /kept/);
});

test('a run becomes TensorBoard scalars, dated by its start and the seconds of its steps', () => {
  const { name, bytes } = curveEvents(run);
  assert.equal(name, 'events.out.tfevents.1700000000.3f2a91c04d');
  const expected = eventFile(STARTED, [
    { step: 0, timeMs: STARTED, values: { 'validation/score': 0.25 } },
    {
      step: 1,
      timeMs: STARTED + 2000,
      values: {
        'training/gradient-norm': 3,
        'training/reward': 0.5,
        'training/tokens-per-second': 50,
        'validation/score': 0.5,
      },
    },
  ]);
  assert.deepEqual(Buffer.from(bytes), Buffer.from(expected));
});
