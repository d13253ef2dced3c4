import assert from 'node:assert/strict';
import { test } from 'node:test';
import { JobState } from '#proto/zmesh/v1/adaptation.js';
import { ExpertGate } from '#proto/zmesh/v1/expert_registry.js';
import { Run, RunStep } from '#proto/zmesh/v1/trainer.js';
import { renderRunResult, renderRuns, stepHeader, stepLine } from '#services/cli/runs/render.js';

const cells = (line: string): string[] => line.trim().split(/\s+/);
const MEASURED = { step: 2, steps: 5, seconds: 2, bestStep: 2, bestValidation: 0.5 };

test('a step shows what its algorithm has and leaves the rest empty', () => {
  assert.deepEqual(cells(stepHeader()), [
    'step',
    'reward',
    'loss',
    'KL',
    'gradient',
    'tokens/s',
    'seconds',
    'validation',
    'kept',
  ]);
  const imitated = RunStep.create({
    ...MEASURED,
    loss: 1.25,
    gradientNorm: 0.5,
    metrics: { loss: 1.25, 'gradient-norm': 0.5 },
  });
  assert.deepEqual(cells(stepLine(imitated)), ['2/5', '1.250', '0.500', '2.0', '0.500@2']);
  const searched = RunStep.create({ ...MEASURED, reward: 0.25, tokens: 40n, metrics: { reward: 0.25 } });
  assert.deepEqual(cells(stepLine(searched)), ['2/5', '0.250', '20', '2.0', '0.500@2']);
  assert.deepEqual(cells(stepLine({ ...searched, validation: 0.5 }, { again: true })), [
    '2/5',
    '0.500',
    '0.500@2',
  ]);
});

test('a run whose start was kept says so, and why it did not pass', () => {
  const text = renderRunResult(
    Run.fromPartial({
      id: 'a'.repeat(20),
      state: JobState.SUCCEEDED,
      expert: `nano/e@${'b'.repeat(64)}`,
      gate: ExpertGate.FAILED,
      gateFailures: ['nothing trained was kept'],
      gateWarnings: ['on words the expert scores −0.03'],
      curve: [{ step: 4, steps: 5, bestStep: 0, bestValidation: 0.25 }],
    }),
  );
  assert.match(text, /^kept +step 0, the start before training, validation 0\.250; 4 of 5 steps done$/m);
  assert.match(text, /^gate +failed$/m);
  assert.match(text, /^- nothing trained was kept$/m);
  assert.match(text, /^- harm: on words the expert scores −0\.03$/m);
});

test('a list of runs gives the reason of a failure, one run its sentence too', () => {
  const run = Run.fromPartial({
    id: 'a'.repeat(20),
    state: JobState.QUEUED,
    failure: { reason: 'INFERENCE_UNAVAILABLE', message: 'the deadline passed' },
  });
  assert.match(renderRuns([run]), /queued: INFERENCE_UNAVAILABLE/);
  assert.doesNotMatch(renderRuns([run]), /deadline/);
  assert.match(renderRunResult(run), /queued: the deadline passed \(INFERENCE_UNAVAILABLE\)/);
});
