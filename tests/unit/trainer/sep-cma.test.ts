import assert from 'node:assert/strict';
import { test } from 'node:test';
import { algorithmNamed } from '#services/trainer/algorithms/registry.js';
import { drawStream, normals } from '#services/trainer/draws.js';
import { packed } from '#services/trainer/layout.js';
import { expandScales, scaleCount } from '#services/trainer/scales.js';
import { beginSearch, candidate, nextGeneration, usualPopulation } from '#services/trainer/sep-cma.js';
import { readSettings } from '#services/trainer/settings.js';
import { MODEL, question, softmaxTrials } from './softmax-policy.js';

/** Evaluations that a search from (1, …, 1) needs to bring f below `target`, or Infinity within `most` generations. */
function evaluations(f: (x: Float64Array) => number, n: number, target: number, most: number): number {
  const population = usualPopulation(n);
  let search = beginSearch(new Float64Array(n).fill(1), 0.5);
  for (let g = 0; g < most; g++) {
    const zs = Array.from({ length: population }, (_, index) =>
      normals(drawStream({ seed: 4n, step: g, purpose: 'z', index }), n),
    );
    const values = zs.map((z) => f(candidate(search, z)));
    if (Math.min(...values) < target) return (g + 1) * population;
    search = nextGeneration(
      search,
      zs,
      values.map((value) => -value),
    );
  }
  return Number.POSITIVE_INFINITY;
}

const sum = (x: Float64Array, term: (value: number, i: number) => number): number =>
  x.reduce((total, value, i) => total + term(value, i), 0);

/** Standard functions, n = 20; `reference`: evaluations of pycma 4 with CMA_diagonal, median of seeds 1 to 11, same start, spread, population and target. */
const FUNCTIONS: Readonly<Record<string, { f: (x: Float64Array) => number; reference: number }>> = {
  sphere: { f: (x) => sum(x, (v) => v * v), reference: 2364 },
  ellipsoid: { f: (x) => sum(x, (v, i) => 10 ** ((6 * i) / 19) * v * v), reference: 4716 },
  cigar: { f: (x) => sum(x, (v, i) => (i === 0 ? 1 : 1e6) * v * v), reference: 4740 },
  tablet: { f: (x) => sum(x, (v, i) => (i === 0 ? 1e6 : 1) * v * v), reference: 3432 },
};

for (const [name, { f, reference }] of Object.entries(FUNCTIONS))
  test(`sep-CMA-ES minimises the ${name} in about the reference's evaluations`, () => {
    const needed = evaluations(f, 20, 1e-9, 4000);
    assert(
      needed < 1.5 * reference && needed > reference / 2,
      `${needed} evaluations, reference ${reference}`,
    );
  });

test('equal fitness moves nothing by the order of the candidates', () => {
  const search = beginSearch(new Float64Array(3), 1);
  const zs = [0, 1, 2, 3, 4, 5].map((index) =>
    normals(drawStream({ seed: 1n, step: 0, purpose: 'z', index }), 3),
  );
  const there = nextGeneration(search, zs, [1, 1, 0, 0, 0, 0]);
  const back = nextGeneration(search, [...zs].reverse(), [0, 0, 0, 0, 1, 1]);
  for (const [i, value] of there.mean.entries()) assert(Math.abs(value - back.mean[i]!) < 1e-12);
});

test('scales reach the singular values that they stand for', () => {
  const layout = packed([
    { name: 'a', length: 5 },
    { name: 'b', length: 3 },
  ]);
  const matrix = { scales: 'matrix', bands: 1 } as const;
  assert.equal(scaleCount(layout, matrix), 2);
  assert.deepEqual(
    [...expandScales(layout, matrix, Float64Array.of(0, Math.log(2)))].map((m) => Math.round(m * 1e9) / 1e9),
    [1, 1, 1, 1, 1, 2, 2, 2],
  );
  assert.equal(scaleCount(layout, { scales: 'value', bands: 1 }), 8);
  // ln(1 + i)/ln 6 of i = 0 … 4: 0, .39, .61, .77, .90 → bands 0, 0, 1, 1, 1 of two; of ln 4: 0, .5, .79 → 0, 1, 1.
  const band = { scales: 'band', bands: 2 } as const;
  assert.equal(scaleCount(layout, band), 4);
  const spread = expandScales(layout, band, Float64Array.of(0, 1, 2, 3)).map(Math.log);
  assert.deepEqual([...spread].map(Math.round), [0, 0, 1, 1, 1, 2, 3, 3]);
  assert.equal(Math.log(expandScales(layout, matrix, Float64Array.of(9, -9))[0]!), 5);
});

test('the reward of a softmax policy climbs without gradients', async () => {
  const algorithm = algorithmNamed('sep-cma-es');
  const settings = readSettings(algorithm, {
    scales: 'value',
    temperature: '1',
    samples: '8',
    'step-size': '0.5',
  });
  let state = algorithm.begin(MODEL, settings, 1n);
  const rewards: number[] = [];
  const trials = softmaxTrials({ gradient: async () => assert.fail('asks for no gradient') });
  for (let i = 0; i < 40; i++) {
    const done = await algorithm.step(
      state,
      [question(0, 2), question(3, 1)],
      trials,
      new AbortController().signal,
    );
    state = done.state;
    rewards.push(done.report.metrics.reward!);
  }
  const mean = (values: number[]): number => values.reduce((a, b) => a + b, 0) / values.length;
  assert(mean(rewards.slice(-10)) > mean(rewards.slice(0, 5)) + 0.3, rewards.join(' '));
});

test('one scale for a whole matrix under trace is refused: it changes nothing', () => {
  const algorithm = algorithmNamed('sep-cma-es');
  assert.throws(
    () => readSettings(algorithm, { scales: 'matrix' }),
    /changes nothing under normalisation=trace/,
  );
  assert.equal(readSettings(algorithm, { scales: 'matrix', normalisation: 'none' }).scales, 'matrix');
});

test('one failed candidate ends the wave for the others', async () => {
  const algorithm = algorithmNamed('sep-cma-es');
  const state = algorithm.begin(MODEL, readSettings(algorithm, {}), 1n);
  let ended = 0;
  let asked = 0;
  const trials = softmaxTrials({
    sample: (_, signal) =>
      new Promise((_resolve, reject) => {
        signal.addEventListener('abort', () => ended++);
        if (asked++ === 2) reject(new Error('lost'));
      }),
  });
  await assert.rejects(algorithm.step(state, [question(0)], trials, new AbortController().signal), /lost/);
  assert.equal(ended, 16);
});
