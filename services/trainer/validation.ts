import { scoreOf } from '#shared/statistics/score.js';
import type { TaskItem } from '#shared/tasks/task.js';
import { mean } from './advantages.js';
import type { Trials } from './algorithms/algorithm.js';
import { drawStream, permutation } from './draws.js';
import type { Multipliers } from './layout.js';
import { runSettings, type Validation } from './loop.js';
import type { TrainingState } from './state.js';

/** The questions that a run's validations ask: the same ones each time, drawn by the run's seed, in the split's order. */
export function validationItems(training: TrainingState, split: readonly TaskItem[]): TaskItem[] {
  const stream = drawStream({ seed: training.seed, step: 0, purpose: 'validation-items', index: 0 });
  return permutation(stream, split.length)
    .slice(0, runSettings(training).validationItems)
    .sort((a, b) => a - b)
    .map((index) => split[index]!);
}

/** Greedy answers of a state to the validation questions, rewarded. */
export async function validate(
  training: TrainingState,
  multipliers: Multipliers,
  items: readonly TaskItem[],
  trials: Trials,
  signal: AbortSignal,
): Promise<Omit<Validation, 'step'>> {
  const { normalisation } = runSettings(training);
  const seeds = items.map(() => training.seed);
  const request = { multipliers, normalisation, items, seeds, samples: 1, temperature: 0, topP: 1 };
  const rollouts = await trials.sample(request, signal);
  const rewards = (await trials.reward(items, rollouts, signal)).flat();
  return {
    score: scoreOf(mean(rewards)),
    right: rewards.filter((reward) => reward > 0).length / rewards.length,
    items: items.length,
  };
}
