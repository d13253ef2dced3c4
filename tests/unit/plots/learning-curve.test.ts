import assert from 'node:assert/strict';
import { test } from 'node:test';
import { learningCurve } from '#shared/plots/learning-curve.js';
import { renderSvg } from '#shared/plots/theme.js';

const POINTS = [
  { step: 0, validation: 0.25 },
  { step: 1, reward: -0.5, gradientNorm: 2, kl: 0.1 },
  { step: 2, reward: 0, gradientNorm: 1, kl: 0.2, validation: 0.5 },
];

test('the curve shows rollouts, validations, the kept step, the gradient and the divergence', () => {
  const svg = renderSvg(learningCurve({ title: 'octo-nano/math', points: POINTS, bestStep: 2 }));
  for (const part of [
    'octo-nano/math, step 2 kept',
    'rollouts',
    'validation, greedy',
    'gradient norm',
    'divergence',
  ])
    assert.ok(svg.includes(part), part);
});

test('what a run does not have takes no room', () => {
  const whole = learningCurve({ title: 't', points: POINTS, bestStep: 2 });
  const withoutKl = learningCurve({
    title: 't',
    points: POINTS.map((point) => ({ ...point, kl: 0 })),
    bestStep: 2,
  });
  const searched = learningCurve({
    title: 't',
    points: POINTS.map(({ step, reward, validation }) => ({ step, reward, validation })),
    bestStep: undefined,
  });
  assert.deepEqual(
    [whole, withoutKl, searched].map(({ height }) => height),
    [740, 540, 340],
  );
  assert.doesNotMatch(renderSvg(searched), /kept|gradient/);
});

test('a run without a step yet has a picture', () => {
  assert.match(renderSvg(learningCurve({ title: 'new', points: [], bestStep: undefined })), /^<svg /);
});

test('equal curves give equal bytes', () => {
  const draw = (): string => renderSvg(learningCurve({ title: 't', points: POINTS, bestStep: 1 }));
  assert.equal(draw(), draw());
});
