import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Run } from '#proto/zmesh/v1/trainer.js';
import { comparisonSvg, renderRunComparison } from '#services/cli/runs/compare.js';

const run = (id: string, rate: string, validation: number): Run =>
  Run.fromPartial({
    id: id.repeat(20),
    state: 4,
    spec: { model: 'nano', expert: `e-${id}`, task: { name: 'sums' }, algorithm: 'reinforce' },
    settings: { steps: '2', 'learning-rate': rate },
    curve: [
      { step: 0, steps: 2, validation: 0.25, bestValidation: 0.25 },
      { step: 2, steps: 2, validation, bestStep: 2, bestValidation: validation, tokens: 100n, seconds: 1.5 },
    ],
    gates: [{ task: 'sums', items: 300, difference: validation - 0.25, low: 0.1, high: 0.9 }],
  } as never);

test('runs are compared by what came out and by the settings in which they differ, and by no others', () => {
  const text = renderRunComparison([run('a', '0.05', 0.75), run('b', '0.01', 0.5)]);
  assert.match(text, /best validation +0\.750 at 2 of 2 +0\.500 at 2 of 2/);
  assert.match(text, /held out, against base +\+0\.500 \[\+0\.100, \+0\.900\]/);
  assert.match(text, /learning-rate +0\.05 +0\.01/);
  assert.match(text, /expert +e-a +e-b/);
  assert.doesNotMatch(text, /^steps/m);
  assert.doesNotMatch(text, /^model/m);
});

test('their validations are drawn in one plot', () => {
  const svg = comparisonSvg([run('a', '0.05', 0.75), run('b', '0.01', 0.5)]);
  assert.match(svg, /^<svg /);
  for (const name of ['e-a (aaaaaa)', 'e-b (bbbbbb)']) assert(svg.includes(name), name);
});
