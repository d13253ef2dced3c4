import assert from 'node:assert/strict';
import { test } from 'node:test';
import { chooseRun } from '#services/trainer/presets.js';
import { readSettings, writeSettings } from '#services/trainer/settings.js';

const settingsOf = (preset: string, settings: Record<string, string> = {}) =>
  chooseRun({ preset, algorithm: '', settings }).settings;

test('official is what the published code does', () => {
  assert.deepEqual(settingsOf('official'), {
    // policy/base.py: p = 0.1 + 0.01·N(0, 1), sigmoid, scaled to the trace; every key with "mlp".
    matrices: 'mlp',
    parameterisation: 'sigmoid',
    initMean: 0.1,
    initDeviation: 0.01,
    normalisation: 'trace',
    // svd_reinforce_hydra.py and its script: 200 iterations, batches of min(256, |train|), evaluation every 10.
    steps: 200,
    prompts: 256,
    batchOrder: 'independent',
    validateEvery: 10,
    validationItems: 100000,
    patience: 0,
    // optim_modules.py: −r·Σ log π, no baseline, KL(ref ‖ π) off; Adam 2e-3, constant, clip 1e-3; one greedy answer.
    samples: 1,
    temperature: 0,
    topP: 1,
    baseline: 'none',
    rewardScale: 'none',
    lengthNormalisation: false,
    endToken: false,
    klCoefficient: 0,
    klDirection: 'reference-to-policy',
    optimiser: 'adam',
    learningRate: 2e-3,
    beta1: 0.9,
    beta2: 0.999,
    epsilon: 1e-8,
    weightDecay: 0,
    schedule: 'constant',
    warmUpSteps: 0,
    clipNorm: 1e-3,
  });
});

test('paper is table 6 where it says something', () => {
  const { initMean, initDeviation, prompts, learningRate, clipNorm, ...rest } = settingsOf('paper');
  assert.deepEqual([initMean, prompts, learningRate, clipNorm], [0.1, 256, 2e-3, 1e-3]);
  assert(Math.abs((initDeviation as number) ** 2 - 1e-3) < 1e-15);
  assert.equal(rest.optimiser, 'adamw');
  assert.equal(rest.schedule, 'cosine');
  assert.equal(rest.parameterisation, 'direct');
  assert.equal(rest.normalisation, 'none');
  assert.equal(rest.baseline, 'none');
  assert.equal(rest.klDirection, 'policy-to-reference');
  assert.ok([0, 0.1, 0.2, 0.3].includes(rest.klCoefficient as number));
});

test('default is the recommendation', () => {
  const settings = settingsOf('');
  assert.deepEqual(
    [settings.parameterisation, settings.optimiser, settings.learningRate, settings.weightDecay],
    ['sigmoid', 'adamw', 0.05, 0],
  );
  assert.deepEqual(
    [settings.samples, settings.baseline, settings.rewardScale, settings.klCoefficient],
    [4, 'leave-one-out', 'deviation', 0],
  );
  assert.deepEqual([settings.warmUpSteps, settings.schedule, settings.clipNorm], [5, 'cosine', 1]);
  const answers = (settings.prompts as number) * (settings.samples as number);
  assert.ok(answers >= 96 && answers <= 128, String(answers));
  assert.ok((settings.steps as number) >= 20 && (settings.steps as number) <= 60);
});

test('given settings go before the preset’s', () => {
  assert.equal(settingsOf('official', { steps: '7' }).steps, 7);
});

test('an unknown preset, and one of another algorithm, are refused by name', () => {
  assert.throws(() => settingsOf('fast'), /preset: "fast" is not one of default, official, paper/);
  assert.throws(
    () => chooseRun({ preset: 'official', algorithm: 'next-token', settings: {} }),
    /preset official is for reinforce, not for next-token/,
  );
});

test('settings survive their texts exactly', () => {
  for (const name of ['default', 'official', 'paper']) {
    const { algorithm, settings } = chooseRun({ preset: name, algorithm: '', settings: {} });
    assert.deepEqual(readSettings(algorithm, writeSettings(settings)), settings);
  }
});
