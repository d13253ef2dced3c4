import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { AdaptationExample, AdaptationSettings } from '#proto/zmesh/v1/adaptation.js';
import type { Mixture } from '#proto/zmesh/v1/common.js';
import { afterGeneration, beginCem, type CemSettings, candidatesOf } from '#services/trainer/search/cem.js';
import { ScoreTable } from '#services/trainer/search/scores.js';
import {
  afterWave,
  beginSearch,
  candidateMixture,
  deployed,
  doneSteps,
  nextStep,
  outcomeOf,
  planFolds,
  type SearchPlan,
  type SearchState,
  totalSteps,
  waveOf,
} from '#services/trainer/search/search.js';
import { readSearchSettings } from '#services/trainer/search/search-spec.js';
import { stepsPerSpan } from '#services/trainer/search/search-trace.js';
import { type Contender, foldsOf, select } from '#services/trainer/search/select.js';
import { alphaKey, alphaOf, mixtureOf, type SearchSpace } from '#services/trainer/search/space.js';
import { type SearchTrials, scoreWave } from '#services/trainer/search/wave.js';

const A = `a@${'a'.repeat(64)}`;
const B = `b@${'b'.repeat(64)}`;
const space = (change: Partial<SearchSpace> = {}): SearchSpace => ({
  arms: [A, B, 'base'],
  matrices: [],
  sumToOne: false,
  normalisation: 'trace',
  ...change,
});
const cem: CemSettings = {
  population: 32,
  eliteFraction: 0.2,
  generations: 6,
  noiseFloor: 0.02,
  smoothing: 0,
  seed: 1n,
};
const plan = (change: Partial<SearchPlan> = {}): SearchPlan => ({
  space: space(),
  cem,
  stage: 'generate',
  deploy: 'best',
  examples: 6,
  folds: 0,
  tokenBudget: 0,
  ...change,
});

/** α of an arm in a mixture. */
const share = ({ arms }: Mixture, name: string): number => {
  const total = arms.reduce((sum, { alpha }) => sum + alpha, 0);
  return (arms.find(({ expert }) => expert === name)?.alpha ?? 0) / (total || 1);
};

/** A world in which an answer is right where expert A's share is close to a wish of the example's own. */
function world(wishes: readonly number[], count = { answers: 0 }): SearchTrials {
  return {
    async answer(example, mixture) {
      count.answers += 1;
      const right = Math.abs(share(mixture, A) - wishes[example]!) < 0.15;
      return { text: right ? 'right' : 'wrong', tokens: 10 };
    },
    likelihood: async (example, mixture) => -Math.abs(share(mixture, A) - wishes[example]!),
    verify: async (_, text) => text === 'right',
    async all(jobs, signal, run) {
      for (const job of jobs) await run(job, signal);
    },
  };
}

const { signal } = new AbortController();

async function search(
  given: SearchPlan,
  trials: SearchTrials,
  between: (state: SearchState) => SearchState = (state) => state,
) {
  let table = new ScoreTable(given.examples);
  let state = beginSearch();
  for (let step = nextStep(given, state); step; step = nextStep(given, state)) {
    const cost = await scoreWave(given, waveOf(given, state, step), { table, trials, signal });
    state = between(afterWave(given, state, { step, table, cost }));
    // What a checkpoint keeps is all that there is.
    table = new ScoreTable(given.examples);
    table.restore(state.scores);
  }
  return { state, outcome: outcomeOf(given, state, table) };
}

describe('the space of α', () => {
  it('has one form for what is one mixture: scaled by the largest under trace, rounded, never all zero', () => {
    const one = alphaOf(space(), [0.2, 0.1, 0.05]);
    const same = alphaOf(space(), [0.8, 0.4, 0.2]);
    assert.equal(alphaKey(one!), alphaKey(same!));
    assert.equal(alphaOf(space(), [0, 0, 0]), undefined);
    const kept = alphaOf(space({ normalisation: 'none' }), [0.5, 0.25, 0]);
    assert.deepEqual(kept, [[0.5], [0.25], [0]]);
    const summed = alphaOf(space({ normalisation: 'none', sumToOne: true }), [0.5, 0.25, 0.25]);
    assert.deepEqual(summed, [[0.5], [0.25], [0.25]]);
  });

  it('gives mixtures that inference takes: no empty arms, the base alone without any, α by matrix where asked', () => {
    assert.deepEqual(
      mixtureOf(space(), [[1], [0], [0.5]]).arms.map(({ expert }) => expert),
      [A, 'base'],
    );
    assert.deepEqual(mixtureOf(space(), [[0], [0], [1]]).arms, []);
    const matrices = ['m.0', 'm.1'];
    const { arms } = mixtureOf(space({ matrices }), [
      [1, 0],
      [0, 1],
      [0, 0],
    ]);
    assert.deepEqual(arms, [
      { expert: A, alpha: 0.5, alphaPerMatrix: { 'm.0': 1, 'm.1': 0 } },
      { expert: B, alpha: 0.5, alphaPerMatrix: { 'm.0': 0, 'm.1': 1 } },
    ]);
  });
});

describe('α that sum to 1', () => {
  const sums = (mixture: Mixture, matrix?: string): number =>
    mixture.arms.reduce((sum, arm) => sum + (matrix ? arm.alphaPerMatrix[matrix]! : arm.alpha), 0);

  it('do so exactly in what is served, not to the grid, under either normalisation and in each matrix', () => {
    for (const normalisation of ['none', 'trace'] as const) {
      const whole = space({ normalisation, sumToOne: true });
      const third = mixtureOf(whole, alphaOf(whole, [0.7, 0.7, 0.7])!);
      assert(Math.abs(sums(third) - 1) < 1e-12, JSON.stringify(third));
      assert.equal(third.arms[0]!.alpha, third.arms[1]!.alpha);
      assert.deepEqual(
        mixtureOf(whole, [[1], [0], [0]]).arms.map(({ alpha }) => alpha),
        [1],
      );
      const split = space({ normalisation, sumToOne: true, matrices: ['m.0', 'm.1'] });
      const mixed = mixtureOf(split, alphaOf(split, [0.7, 0.2, 0.7, 0.1, 0.7, 0.9])!);
      for (const matrix of ['m.0', 'm.1']) assert(Math.abs(sums(mixed, matrix) - 1) < 1e-12);
    }
  });
});

describe('the cross-entropy method', () => {
  it('begins as the published code: mean 1/K, deviation 0.5, bounds [0, 1], 6 elites of 32', () => {
    const state = beginCem(space());
    assert.deepEqual(state.mean, [1 / 3, 1 / 3, 1 / 3]);
    assert.deepEqual(state.deviation, [0.5, 0.5, 0.5]);
    const candidates = candidatesOf(space(), cem, state);
    assert.equal(candidates.length, 32);
    assert(candidates.every(({ point }) => point.every((value) => value >= 0 && value <= 1)));
    // With scores that are their place, the six best are 26 … 31.
    const scored = candidates.map((candidate, i) => ({
      ...candidate,
      fitness: { score: i, logLikelihood: undefined },
    }));
    const next = afterGeneration(cem, state, scored);
    const elites = candidates.slice(26);
    for (const i of [0, 1, 2]) {
      const values = elites.map(({ point }) => point[i]!);
      const mean = values.reduce((sum, value) => sum + value, 0) / 6;
      const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / 5;
      assert(Math.abs(next.mean[i]! - mean) < 1e-12);
      assert(Math.abs(next.deviation[i]! - Math.max(0.02, Math.sqrt(variance))) < 1e-12);
    }
  });

  it('draws by seed, generation and place alone, keeps the best in the first place, and breaks ties by likelihood', () => {
    const state = beginCem(space());
    assert.deepEqual(candidatesOf(space(), cem, state), candidatesOf(space(), cem, state));
    const other = candidatesOf(space(), { ...cem, seed: 2n }, state);
    assert.notDeepEqual(other, candidatesOf(space(), cem, state));
    const scored = candidatesOf(space(), cem, state).map((candidate, i) => ({
      ...candidate,
      fitness: { score: 0, logLikelihood: i === 7 ? -0.1 : -1 },
    }));
    const next = afterGeneration(cem, state, scored);
    assert.equal(alphaKey(next.best!.alpha), alphaKey(scored[7]!.alpha));
    assert.equal(candidatesOf(space(), cem, next)[0]!.alpha, scored[7]!.alpha);
  });

  it('never proposes α that are all zero, in no matrix, however close to zero it searches', () => {
    const matrices = Array.from({ length: 200 }, (_, i) => `m.${i}`);
    for (const normalisation of ['none', 'trace'] as const)
      for (const [centre, spread] of [
        [0, 0.02],
        [0, 0],
        [0.001, 0],
      ] as const) {
        const near = space({ normalisation, matrices });
        const size = near.arms.length * matrices.length;
        const state = {
          ...beginCem(near),
          mean: new Array<number>(size).fill(centre),
          deviation: new Array<number>(size).fill(spread),
        };
        for (const { alpha } of candidatesOf(near, cem, state))
          for (const column of matrices.keys())
            assert(
              alpha.some((row) => row[column]! > 0),
              `${normalisation} ${centre} ${spread}`,
            );
      }
  });

  it('begins with candidates of its own in every place, also where hundreds of matrices have their own α', () => {
    const matrices = Array.from({ length: 200 }, (_, i) => `m.${i}`);
    const wide = space({ arms: [A, 'base'], matrices });
    const keys = candidatesOf(wide, cem, beginCem(wide)).map(({ alpha }) => alphaKey(alpha));
    assert.equal(new Set(keys).size, cem.population);
  });

  it('does not collapse below its noise floor', () => {
    const state = beginCem(space());
    const [first] = candidatesOf(space(), cem, state);
    const scored = Array.from({ length: 32 }, () => ({
      ...first!,
      fitness: { score: 1, logLikelihood: undefined },
    }));
    assert.deepEqual(afterGeneration(cem, state, scored).deviation, [0.02, 0.02, 0.02]);
  });
});

describe('a search', () => {
  it('finds the mixture that answers rightly where neither base nor a single expert does', async () => {
    const { outcome, state } = await search(plan(), world([0.3, 0.3, 0.3, 0.3, 0.3, 0.3]));
    assert.equal(outcome.selection.chosen.kind, 'search');
    const mixture = candidateMixture(space(), outcome.alpha);
    assert(Math.abs(share(mixture, A) - 0.3) < 0.15, JSON.stringify(mixture));
    assert.equal(doneSteps(plan(), state), totalSteps(plan()));
  });

  it('computes no pair twice, and goes on from any checkpoint to the same end', async () => {
    const count = { answers: 0 };
    const whole = await search(plan(), world([0.3, 0.3, 0.3, 0.3, 0.3, 0.3], count));
    const pairs = whole.state.scores.flatMap(([, row]) => row.filter(({ right }) => right !== undefined));
    assert.equal(count.answers, pairs.length);
    assert(whole.state.cost.naive > 3 * whole.state.cost.generated, JSON.stringify(whole.state.cost));
    const json = await search(plan(), world([0.3, 0.3, 0.3, 0.3, 0.3, 0.3]), (state) =>
      JSON.parse(JSON.stringify(state), (_, value) => (value === null ? undefined : value)),
    );
    assert.deepEqual(json.outcome.alpha, whole.outcome.alpha);
    assert.equal(json.outcome.selection.statement, whole.outcome.selection.statement);
  });

  it('has each answer to an example verified once, also when many give it at the same time', async () => {
    const asked: string[] = [];
    const wishes = [0.3, 0.3, 0.3, 0.3, 0.3, 0.3];
    const trials: SearchTrials = {
      ...world(wishes),
      async verify(example, text) {
        asked.push(`${example} ${text}`);
        await new Promise(setImmediate);
        return text === 'right';
      },
      all: async (jobs, stopped, run) => {
        await Promise.all(jobs.map((job) => run(job, stopped)));
      },
    };
    const wave = waveOf(plan(), { ...beginSearch(), fixed: true }, { kind: 'generation', search: 0 });
    await scoreWave(plan(), wave, { table: new ScoreTable(6), trials, signal });
    assert.equal(new Set(asked).size, 2 * wishes.length);
    assert.equal(asked.length, 2 * wishes.length);
  });

  it('never shows a fold’s search what the fold leaves out: poison there moves nothing but the final α', async () => {
    const wishes = [0.75, 0.75, 0.75, 0.75, 0.75, 0.75];
    const clean = await search(plan(), world(wishes));
    const given = plan();
    const [poisoned] = planFolds(given)[2]!;
    // The poisoned example wants what the final mixture just is not, though others could please all six.
    const final = share(candidateMixture(space(), deployed(given, clean.state.searches[0]!)), A);
    const wish = final <= 0.75 ? final + 0.16 : final - 0.16;
    const dirty = await search(given, world(wishes.map((own, i) => (i === poisoned ? wish : own))));
    const alphaOfFold = (of: typeof clean, fold: number) => deployed(given, of.state.searches[fold]!);
    assert.deepEqual(alphaOfFold(dirty, 3), alphaOfFold(clean, 3));
    assert.notDeepEqual(alphaOfFold(dirty, 0), alphaOfFold(clean, 0));
    assert.notDeepEqual(dirty.state.searches[0]!.mean, clean.state.searches[0]!.mean);
  });

  it('is blind to what a fold leaves out where it prunes too, whatever other folds have answered', async () => {
    // The likelihood prefers a bit more of A than is right, so that folds prune what others answer rightly.
    const biased = (wishes: readonly number[]): SearchTrials => ({
      ...world(wishes),
      likelihood: async (example, mixture) => -Math.abs(share(mixture, A) - wishes[example]! - 0.15),
    });
    const wishes = [0.2, 0.3, 0.4, 0.3, 0.2, 0.4];
    for (const seed of [2n, 3n, 4n]) {
      const given = plan({ stage: 'pruned', deploy: 'mean', cem: { ...cem, seed } });
      const clean = await search(given, biased(wishes));
      for (const fold of [3, 6]) {
        const [poisoned] = planFolds(given)[fold - 1]!;
        const dirty = await search(given, biased(wishes.map((own, i) => (i === poisoned ? 0 : own))));
        assert.equal(clean.state.searches[fold]!.prunes, true);
        assert.deepEqual(
          dirty.state.searches[fold],
          clean.state.searches[fold],
          `seed ${seed}, fold ${fold}`,
        );
        assert.notDeepEqual(dirty.state.searches[0], clean.state.searches[0]);
      }
    }
  });

  it('judges what it finds by what each fold found without the example, not by what all found', async () => {
    const wishes = [0.1, 0.35, 0.35, 0.3, 0.35, 0.3];
    const flattered: number[] = [];
    for (const seed of [1n, 2n, 3n, 4n, 5n]) {
      const given = plan({ cem: { ...cem, seed } });
      const { state, outcome } = await search(given, world(wishes));
      const isRight = (of: number, example: number): number =>
        Number(
          Math.abs(
            share(candidateMixture(space(), deployed(given, state.searches[of]!)), A) - wishes[example]!,
          ) < 0.15,
        );
      const folds = planFolds(given);
      const judged = outcome.selection.judged.find(({ kind }) => kind === 'search')!;
      const without = wishes.map((_, example) =>
        isRight(folds.findIndex((left) => left.includes(example)) + 1, example),
      );
      assert.deepEqual(judged.values, without);
      flattered.push(wishes.filter((_, example) => isRight(0, example) !== without[example]).length);
    }
    assert.ok(Math.max(...flattered) > 0, 'what all found does better on what it has seen');
  });

  it('keeps a point of its curve for each generation', async () => {
    const { state } = await search(plan({ deploy: 'mean' }), world([0.3, 0.3, 0.3, 0.3, 0.3, 0.3]));
    const { curve = [], best } = state.searches[0]!;
    assert.equal(curve.length, cem.generations);
    assert.deepEqual(curve.at(-1)!.best, best!.fitness);
    assert(curve.every(({ best: now }, i) => i === 0 || now.score >= curve[i - 1]!.best.score));
    assert(curve.at(-1)!.deviation < curve[0]!.deviation);
  });

  it('says "no better than base" and names the base when that is so', async () => {
    const { outcome } = await search(plan(), world([0, 0, 0, 0, 0, 0]));
    assert.equal(outcome.selection.chosen.kind, 'base');
    assert.match(outcome.selection.statement, /^no better than base/);
    assert.deepEqual(candidateMixture(space(), outcome.alpha), { arms: [] });
  });

  it('prunes by likelihood when told to: the same end here, fewer answers', async () => {
    const [all, half] = [{ answers: 0 }, { answers: 0 }];
    const wishes = [0.3, 0.3, 0.3, 0.3, 0.3, 0.3];
    // With the mean deployed every generation counts.
    await search(plan({ deploy: 'mean' }), world(wishes, all));
    const pruned = await search(plan({ deploy: 'mean', stage: 'pruned' }), world(wishes, half));
    assert.equal(pruned.outcome.selection.chosen.kind, 'search');
    assert(half.answers < 0.7 * all.answers, `${half.answers} of ${all.answers}`);
  });

  it('does not prune by a likelihood that prefers what answers wrongly', async () => {
    const wishes = [0.3, 0.3, 0.3, 0.3, 0.3, 0.3];
    const misled: SearchTrials = {
      ...world(wishes),
      likelihood: async (_, mixture) => Math.abs(share(mixture, A) - 0.3),
    };
    const { outcome, state } = await search(plan({ stage: 'pruned' }), misled);
    assert.equal(state.searches[0]?.prunes, false);
    assert.equal(outcome.selection.chosen.kind, 'search');
    const told = await search(plan({ stage: 'pruned' }), world(wishes));
    assert.equal(told.state.searches[0]?.prunes, true);
  });

  it('ends when nothing can be better: the same α as with all its generations, fewer answers', async () => {
    const wishes = [0.3, 0.3, 0.3, 0.3, 0.3, 0.3];
    const [short, long] = [{ answers: 0 }, { answers: 0 }];
    const early = await search(plan(), world(wishes, short));
    assert(early.state.searches[0]!.generation < cem.generations, `${early.state.searches[0]!.generation}`);
    // With the mean deployed every generation counts; what is the best one does not depend on that.
    const whole = await search(plan({ deploy: 'mean' }), world(wishes, long));
    assert.equal(whole.state.searches[0]!.generation, cem.generations);
    assert.deepEqual(early.state.searches[0]!.best, whole.state.searches[0]!.best);
    assert(short.answers < long.answers, `${short.answers} of ${long.answers}`);
  });

  it('has at most 400 spans of steps in its trace, however many steps it has', () => {
    assert.equal(stepsPerSpan(plan()), 1);
    const most = plan({ cem: { ...cem, generations: 1000 }, examples: 64, folds: 20 });
    assert.equal(totalSteps(most), 21_021);
    assert.equal(stepsPerSpan(most), 53);
  });

  it('generates nothing in the likelihood stage, and stops at its token budget', async () => {
    const count = { answers: 0 };
    const { outcome } = await search(
      plan({ stage: 'likelihood' }),
      world([0.3, 0.3, 0.3, 0.3, 0.3, 0.3], count),
    );
    assert.equal(count.answers, 0);
    assert.equal(outcome.selection.chosen.kind, 'search');
    const cut = await search(plan({ tokenBudget: 600 }), world([1, 1, 1, 1, 1, 1]));
    assert.equal(cut.state.cutShort, true);
    assert.equal(cut.outcome.found, undefined);
    assert.equal(cut.outcome.selection.chosen.kind, 'expert');
  });
});

describe('the selection', () => {
  const contender = (kind: Contender['kind'], values: number[], expert = ''): Contender => ({
    kind,
    expert,
    values,
    logLikelihood: undefined,
  });

  it('takes the simplest within one standard error of the best', () => {
    const base = contender('base', [1, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    const one = contender('expert', [1, 1, 0, 0, 0, 0, 0, 0, 0, 0], A);
    // One more right of ten: mean 0.1, standard error 0.1.
    assert.equal(select([base, one]).chosen.kind, 'base');
    const four = contender('expert', [1, 1, 1, 1, 1, 0, 0, 0, 0, 0], A);
    assert.equal(select([base, four]).chosen.kind, 'expert');
    const found = contender('search', [1, 1, 1, 1, 1, 1, 0, 0, 0, 0]);
    assert.equal(select([base, four, found]).chosen.kind, 'expert');
    const better = contender('search', [1, 1, 1, 1, 1, 1, 1, 1, 0, 0]);
    assert.equal(select([base, four, better]).chosen.kind, 'search');
  });

  it('says when three examples cannot show it', () => {
    const { statement } = select([contender('base', [0, 0, 0]), contender('expert', [1, 1, 0], A)]);
    assert.match(statement, /so few examples cannot show it/);
  });

  it('refuses more folds than examples', () => {
    const examples = Array.from({ length: 4 }, (_, i) =>
      AdaptationExample.create({ prompt: `${i}`, reference: 'a' }),
    );
    const settings = (folds: number): AdaptationSettings =>
      AdaptationSettings.fromPartial({ folds } as never);
    assert.equal(readSearchSettings(settings(4), examples).folds, 4);
    assert.throws(() => readSearchSettings(settings(5), examples), {
      reason: 'INVALID_FIELD',
      message: 'spec.settings: folds must be a whole number in [2, 4], not 5',
    });
  });

  it('leaves one out up to ten examples, then deals five folds, or as many as asked for', () => {
    assert.equal(foldsOf(3, 0).length, 3);
    assert.equal(foldsOf(10, 0).length, 10);
    assert.deepEqual(
      foldsOf(11, 0).map(({ length }) => length),
      [3, 2, 2, 2, 2],
    );
    assert.deepEqual(foldsOf(4, 2), [
      [0, 2],
      [1, 3],
    ]);
  });
});
