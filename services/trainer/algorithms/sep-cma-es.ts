import { setMaxListeners } from 'node:events';
import type { SettingRule, Settings } from '#shared/config.js';
import type { SpectralMatrix } from '#shared/svf/model.js';
import type { TaskItem } from '#shared/tasks/task.js';
import { mean } from '../advantages.js';
import { drawSeed, drawStream, normals } from '../draws.js';
import { layoutOf, type Multipliers, unpack } from '../layout.js';
import { multiplierMetrics, rolloutMetrics } from '../metrics.js';
import { expandScales, scaleCount } from '../scales.js';
import { beginSearch, candidate, nextGeneration, type SepCma } from '../sep-cma.js';
import { type SettingValues, type TrainingState, vectorOf } from '../state.js';
import type { Algorithm, Rollout, StepReport, Trials } from './algorithm.js';
import { rolloutRecords } from './reinforce.js';
import { ROLLOUT_SETTINGS, RUN_SETTINGS } from './run-settings.js';

const SETTINGS = {
  ...RUN_SETTINGS,
  ...ROLLOUT_SETTINGS,
  prompts: { ...RUN_SETTINGS.prompts, default: 32 },
  temperature: { ...ROLLOUT_SETTINGS.temperature, default: 0 },
  population: { type: 'integer', default: 16, min: 4, max: 1024, help: 'Candidates a step.' },
  samples: { type: 'integer', default: 1, min: 1, max: 256, help: 'Answers a question and candidate.' },
  scales: {
    type: 'choice',
    default: 'band',
    choices: ['band', 'value', 'matrix'],
    help: 'What has a scale of its own: a band of singular values, every singular value, or a whole matrix.',
  },
  bands: {
    type: 'integer',
    default: 8,
    min: 1,
    max: 1024,
    help: 'Bands a matrix under scales=band, the large singular values in narrow ones.',
  },
  stepSize: {
    type: 'number',
    default: 0.15,
    min: 1e-6,
    max: 5,
    help: 'First spread of the candidates, in the logarithm of a scale.',
  },
} as const satisfies Readonly<Record<string, SettingRule>>;

type CmaSettings = Settings<typeof SETTINGS>;

/**
 * Search without gradients: sep-CMA-ES over the logarithms of scales, from the base (all 0). A step is one generation: all
 * candidates answer the same questions with the same seeds in one wave, the mean reward is their fitness.
 */
export const sepCmaEs: Algorithm = {
  name: 'sep-cma-es',
  help: 'Search without gradients: candidates are tried and the better ones followed. Needs nothing but answers.',
  settings: SETTINGS,
  faults,
  questionFault: () => undefined,
  begin,
  step,
  multipliers: (state) => multipliersAt(state, vectorOf(state, 'mean')),
};

function faults(values: SettingValues): string[] {
  const { scales, bands, normalisation, temperature, samples } = values as unknown as CmaSettings;
  const found: string[] = [];
  const whole = scales === 'matrix' || (scales === 'band' && bands === 1);
  if (whole && normalisation === 'trace')
    found.push(
      'one scale for a whole matrix changes nothing under normalisation=trace: use none, or finer scales',
    );
  if (temperature === 0 && samples > 1)
    found.push(`temperature=0 gives the same answer each time: samples must be 1, not ${samples}`);
  return found;
}

function begin(model: readonly SpectralMatrix[], values: SettingValues, seed: bigint): TrainingState {
  const settings = values as unknown as CmaSettings;
  const layout = layoutOf(model, settings.matrices);
  const search = beginSearch(new Float64Array(scaleCount(layout, settings)), settings.stepSize);
  return { algorithm: 'sep-cma-es', settings: values, seed, step: 0, layout, vectors: vectorsOf(search) };
}

async function step(
  state: TrainingState,
  items: readonly TaskItem[],
  trials: Trials,
  signal: AbortSignal,
): Promise<{ state: TrainingState; report: StepReport }> {
  const settings = state.settings as unknown as CmaSettings;
  const search = searchOf(state);
  const zs = Array.from({ length: settings.population }, (_, index) =>
    normals(
      drawStream({ seed: state.seed, step: state.step, purpose: 'candidate', index }),
      search.mean.length,
    ),
  );
  const candidates = zs.map((z) => multipliersAt(state, candidate(search, z)));
  const tried = await evaluate(state, candidates, items, trials, signal);
  const fitness = tried.map(({ rewards }) => mean(rewards.flat()));
  const next = nextGeneration(search, zs, fitness);
  const best = tried[fitness.indexOf(Math.max(...fitness))]!;
  const after = { ...state, step: state.step + 1, vectors: vectorsOf(next) };
  const multipliers = expandScales(state.layout, settings, next.mean);
  return {
    state: after,
    report: {
      step: after.step,
      metrics: {
        ...rolloutMetrics(
          items.map((_, i) => tried.flatMap(({ rollouts }) => rollouts[i]!)),
          items.map((_, i) => tried.flatMap(({ rewards }) => rewards[i]!)),
        ),
        'best-reward': Math.max(...fitness),
        'step-size': next.stepSize,
        ...multiplierMetrics(multipliers),
      },
      rollouts: rolloutRecords(items, best.rollouts, best.rewards, undefined),
    },
  };
}

interface Trial {
  readonly rollouts: readonly (readonly Rollout[])[];
  readonly rewards: readonly (readonly number[])[];
}

/** All candidates in one wave; the first failure ends the others. */
async function evaluate(
  state: TrainingState,
  candidates: readonly Multipliers[],
  items: readonly TaskItem[],
  trials: Trials,
  signal: AbortSignal,
): Promise<Trial[]> {
  const { samples, temperature, topP, normalisation } = state.settings as unknown as CmaSettings;
  const seeds = items.map((_, index) =>
    drawSeed({ seed: state.seed, step: state.step, purpose: 'rollout', index }),
  );
  const wave = new AbortController();
  const both = AbortSignal.any([signal, wave.signal]);
  // Every call of the wave listens; Node would warn of a leak at eleven.
  setMaxListeners(0, both);
  try {
    return await Promise.all(
      candidates.map(async (multipliers) => {
        const request = { multipliers, normalisation, items, seeds, samples, temperature, topP };
        const rollouts = await trials.sample(request, both);
        return { rollouts, rewards: await trials.reward(items, rollouts, both) };
      }),
    );
  } catch (error) {
    wave.abort(error);
    throw error;
  }
}

function multipliersAt(state: TrainingState, logScales: Float64Array): Multipliers {
  return unpack(
    state.layout,
    expandScales(state.layout, state.settings as unknown as CmaSettings, logScales),
  );
}

function searchOf(state: TrainingState): SepCma {
  return {
    mean: vectorOf(state, 'mean'),
    variances: vectorOf(state, 'variances'),
    stepPath: vectorOf(state, 'step-path'),
    covariancePath: vectorOf(state, 'covariance-path'),
    stepSize: vectorOf(state, 'step-size')[0]!,
    generation: state.step,
  };
}

function vectorsOf(search: SepCma): TrainingState['vectors'] {
  return {
    mean: search.mean,
    variances: search.variances,
    'step-path': search.stepPath,
    'covariance-path': search.covariancePath,
    'step-size': Float64Array.of(search.stepSize),
  };
}
