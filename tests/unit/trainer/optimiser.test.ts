import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import {
  initialMoments,
  learningRateOf,
  type OptimiserSettings,
  update,
} from '#services/trainer/optimiser.js';
import { projectRoot } from '#shared/paths.js';

interface Case {
  readonly settings: OptimiserSettings & { readonly gradientScale: number };
  readonly start: readonly number[];
  readonly steps: readonly {
    readonly parameters: readonly number[];
    readonly gradientNorm: number;
    readonly learningRate: number;
  }[];
}

const golden = JSON.parse(readFileSync(join(projectRoot, 'tests/golden/trainer/optimiser.json'), 'utf8')) as {
  readonly cases: readonly Case[];
};

const close = (actual: number, expected: number, what: string): void =>
  assert(
    Math.abs(actual - expected) <= 1e-12 * Math.max(1, Math.abs(expected)),
    `${what}: ${actual}, not ${expected}`,
  );

/** The golden script's gradient. */
const gradientAt = (p: Float64Array, step: number, scale: number): Float64Array =>
  p.map((value, i) => (Math.sin(3 * value + i) + 0.1 * (step + 1) * value) * scale);

for (const [index, { settings, start, steps }] of golden.cases.entries())
  test(`${settings.optimiser} steps as PyTorch's, case ${index}: ${settings.schedule}, clip ${settings.clipNorm}, decay ${settings.weightDecay}`, () => {
    let parameters: Float64Array = Float64Array.from(start);
    let moments = initialMoments(start.length);
    for (const [step, expected] of steps.entries()) {
      const done = update(
        settings,
        step,
        parameters,
        moments,
        gradientAt(parameters, step, settings.gradientScale),
      );
      ({ parameters, moments } = done);
      close(done.learningRate, expected.learningRate, `learning rate of step ${step}`);
      close(done.gradientNorm, expected.gradientNorm, `norm of step ${step}`);
      for (const [i, value] of expected.parameters.entries())
        close(parameters[i]!, value, `parameter ${i} after step ${step}`);
    }
  });

test('nothing is changed in place', () => {
  const settings = golden.cases[0]!.settings;
  const parameters = Float64Array.of(1, 2);
  const moments = initialMoments(2);
  const gradient = Float64Array.of(3, 4);
  update(settings, 0, parameters, moments, gradient);
  assert.deepEqual(
    [...parameters, ...moments.first, ...moments.second, ...gradient],
    [1, 2, 0, 0, 0, 0, 3, 4],
  );
});

test('past its last step a cosine stays at zero', () => {
  const settings = { ...golden.cases[1]!.settings, steps: 10 };
  assert.equal(learningRateOf(settings, 10), 0);
  assert.equal(learningRateOf(settings, 50), 0);
});
