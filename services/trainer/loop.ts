import type { Settings } from '#shared/config.js';
import type { RUN_SETTINGS } from './algorithms/run-settings.js';
import { type BatchPlan, batchOf } from './batches.js';
import type { Multipliers } from './layout.js';
import type { TrainingState } from './state.js';

/** One validation of a run. */
export interface Validation {
  /** Steps done when it was made. */
  readonly step: number;
  /** What decides which step is kept: mean score of greedy answers, [0, 1]. */
  readonly score: number;
  /** Share of answers with a reward above 0, [0, 1]. */
  readonly right: number;
  readonly items: number;
}

/** The step that would be published. */
export interface BestStep {
  readonly step: number;
  readonly score: number;
  readonly multipliers: Multipliers;
}

/** All that a run needs to go on. Immutable; `run-file.ts` writes and reads it. */
export interface RunState {
  readonly training: TrainingState;
  /** In the order they were made. */
  readonly validations: readonly Validation[];
  /** The validation with the highest score, the earliest of equal ones; undefined before the first. */
  readonly best: BestStep | undefined;
}

/** What a run does next. */
export type Action =
  | { readonly kind: 'validate' }
  /** Train on these questions: indices into the training split. */
  | { readonly kind: 'train'; readonly batch: readonly number[] }
  /** `steps`: all steps are done; `no-progress`: `patience` validations without a better score. */
  | { readonly kind: 'finish'; readonly reason: 'steps' | 'no-progress' };

/** Settings that every algorithm has, as the loop reads them. */
export type RunSettings = Settings<typeof RUN_SETTINGS>;

/** A run before its first step. */
export function beginRun(training: TrainingState): RunState {
  return { training, validations: [], best: undefined };
}

/**
 * What a run does next, decided by its state alone: the untrained state is validated first, then every `validateEvery`
 * steps and after the last. Whoever calls it may stop between any two actions and go on later from the stored state.
 * @param items questions of the training split.
 */
export function nextAction(run: RunState, items: number): Action {
  const settings = runSettings(run.training);
  const { step } = run.training;
  const due = step % settings.validateEvery === 0 || step >= settings.steps;
  if (due && run.validations.at(-1)?.step !== step) return { kind: 'validate' };
  if (outOfPatience(run, settings.patience)) return { kind: 'finish', reason: 'no-progress' };
  if (step >= settings.steps) return { kind: 'finish', reason: 'steps' };
  const plan: BatchPlan = {
    seed: run.training.seed,
    items,
    prompts: settings.prompts,
    order: settings.batchOrder,
  };
  return { kind: 'train', batch: batchOf(plan, step) };
}

/** The run after a training step. */
export function afterStep(run: RunState, training: TrainingState): RunState {
  return { ...run, training };
}

/** The run after a validation of `multipliers`, its training state's; keeps them if none scored higher or as high before. */
export function afterValidation(
  run: RunState,
  found: Omit<Validation, 'step'>,
  multipliers: Multipliers,
): RunState {
  const { step } = run.training;
  const better = run.best === undefined || found.score > run.best.score;
  return {
    ...run,
    validations: [...run.validations, { step, ...found }],
    best: better ? { step, score: found.score, multipliers } : run.best,
  };
}

/** The settings of a run that every algorithm has. */
export function runSettings(training: TrainingState): RunSettings {
  return training.settings as unknown as RunSettings;
}

function outOfPatience({ best, validations }: RunState, patience: number): boolean {
  if (patience === 0 || best === undefined) return false;
  return validations.filter(({ step }) => step > best.step).length >= patience;
}
