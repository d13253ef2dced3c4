import type { Settings } from '#shared/config.js';
import type { SpectralMatrix } from '#shared/svf/model.js';
import { drawStream } from '../draws.js';
import { layoutOf, type Multipliers, pack, unpack } from '../layout.js';
import type { Metric } from '../metrics.js';
import { multiplierMetrics } from '../metrics.js';
import { initialMoments, update } from '../optimiser.js';
import { chain, initialParameters, multipliersOf, type Parameterisation, project } from '../parameters.js';
import { type SettingValues, type TrainingState, vectorOf } from '../state.js';
import type { GradientResult, Trials, WeightedAnswer } from './algorithm.js';
import type { GRADIENT_SETTINGS } from './run-settings.js';

/** Settings that every gradient algorithm has. */
export type GradientSettings = Omit<Settings<typeof GRADIENT_SETTINGS>, 'parameterisation'> & {
  readonly parameterisation: Parameterisation;
};

/** The first state: parameters by their initialisation, moments at zero. */
export function beginGradient(
  algorithm: string,
  model: readonly SpectralMatrix[],
  values: SettingValues,
  seed: bigint,
): TrainingState {
  const settings = values as unknown as GradientSettings;
  const layout = layoutOf(model, settings.matrices);
  const stream = drawStream({ seed, step: 0, purpose: 'init', index: 0 });
  const init = {
    parameterisation: settings.parameterisation,
    mean: settings.initMean,
    standardDeviation: settings.initDeviation,
  };
  const { first, second } = initialMoments(layout.size);
  const parameters = initialParameters(layout.size, init, stream);
  return {
    algorithm,
    settings: values,
    seed,
    step: 0,
    layout,
    vectors: { parameters, 'adam-first': first, 'adam-second': second },
  };
}

/** The multipliers of a gradient algorithm's state. */
export function gradientMultipliers(state: TrainingState): Multipliers {
  const { parameterisation } = state.settings as unknown as GradientSettings;
  return unpack(state.layout, multipliersOf(vectorOf(state, 'parameters'), parameterisation));
}

/**
 * Follows the loss's gradient for one step: asks for it, takes it through the parameterisation, updates and projects.
 * Answers that weigh nothing are left out of the request; without any, the gradient is zero and Adam's momentum decides.
 */
export async function followGradient(
  state: TrainingState,
  answers: readonly WeightedAnswer[],
  trials: Trials,
  signal: AbortSignal,
): Promise<{ state: TrainingState; metrics: Partial<Record<Metric, number>> }> {
  const settings = state.settings as unknown as GradientSettings;
  const weighty = answers.filter(({ weight, klWeight }) => weight !== 0 || klWeight !== 0);
  const result = weighty.length > 0 ? await ask(state, weighty, trials, signal) : NOTHING;
  const parameters = vectorOf(state, 'parameters');
  const byMultiplier =
    weighty.length > 0 ? pack(state.layout, result.gradient) : new Float64Array(state.layout.size);
  const moments = { first: vectorOf(state, 'adam-first'), second: vectorOf(state, 'adam-second') };
  const gradient = chain(byMultiplier, parameters, settings.parameterisation);
  const next = update(settings, state.step, parameters, moments, gradient);
  const projected = project(next.parameters, settings.parameterisation);
  return {
    state: {
      ...state,
      step: state.step + 1,
      vectors: {
        parameters: projected,
        'adam-first': next.moments.first,
        'adam-second': next.moments.second,
      },
    },
    metrics: {
      loss: result.kls.reduce((sum, kl, i) => sum + kl * weighty[i]!.klWeight, result.policyLoss),
      'policy-loss': result.policyLoss,
      kl: meanOr(result.kls, 0),
      ...(result.logProbs.length > 0 ? { 'log-prob': meanOr(result.logProbs, 0) } : {}),
      'gradient-norm': next.gradientNorm,
      'learning-rate': next.learningRate,
      ...multiplierMetrics(multipliersOf(projected, settings.parameterisation)),
    },
  };
}

const NOTHING: GradientResult = { policyLoss: 0, logProbs: [], kls: [], gradient: new Map() };

function ask(
  state: TrainingState,
  answers: readonly WeightedAnswer[],
  trials: Trials,
  signal: AbortSignal,
): Promise<GradientResult> {
  const { normalisation, klDirection } = state.settings as unknown as GradientSettings;
  return trials.gradient(
    { multipliers: gradientMultipliers(state), normalisation, answers, klDirection },
    signal,
  );
}

/**
 * An answer's part of the loss: mean over `count` answers of −advantage·log π + klCoefficient·KL, each divided by the
 * answer's tokens under lengthNormalisation.
 */
export function lossWeights(
  settings: GradientSettings,
  advantage: number,
  tokens: number,
  count: number,
): { weight: number; klWeight: number } {
  const share = 1 / (count * (settings.lengthNormalisation ? Math.max(1, tokens) : 1));
  return { weight: advantage * share, klWeight: settings.klCoefficient * share };
}

function meanOr(values: readonly number[], none: number): number {
  return values.length === 0 ? none : values.reduce((sum, value) => sum + value, 0) / values.length;
}
