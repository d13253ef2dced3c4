import { mean } from './advantages.js';
import type { Rollout } from './algorithms/algorithm.js';

/** The scalars that steps and validations report, and what each means. An algorithm reports those it has. */
export const METRICS = {
  reward: 'mean reward of the rollouts, [-1, 1]',
  right: 'share of rollouts with a reward above 0, [0, 1]',
  signal:
    'share of questions whose answers do not all have the same reward, [0, 1]; over all candidates under sep-CMA-ES',
  'answer-tokens': 'mean tokens of a rollout',
  truncated: 'share of rollouts that ran out of their budget, [0, 1]',
  loss: 'the loss: policy part and weighted divergence',
  'policy-loss': 'policy part of the loss',
  kl: 'mean divergence from the base of an answer, nats, in the direction that is trained; 0 where it is off',
  'log-prob': 'mean log-probability of a trained answer, nats',
  'gradient-norm': 'norm of the gradient before clipping',
  'learning-rate': 'learning rate of the step',
  'step-size': 'spread of the candidates around the mean (sep-CMA-ES)',
  'best-reward': 'best mean reward of a candidate (sep-CMA-ES)',
  'multiplier-mean': 'mean multiplier after the step',
  'multiplier-min': 'smallest multiplier after the step',
  'multiplier-max': 'largest multiplier after the step',
} as const satisfies Readonly<Record<string, string>>;

/** Name of a scalar. */
export type Metric = keyof typeof METRICS;

/** Scalars of rollouts and their rewards, both by question. */
export function rolloutMetrics(
  rollouts: readonly (readonly Rollout[])[],
  rewards: readonly (readonly number[])[],
): Partial<Record<Metric, number>> {
  const answers = rollouts.flat();
  const all = rewards.flat();
  const share = (count: number, of: number): number => count / of;
  return {
    reward: mean(all),
    right: share(all.filter((reward) => reward > 0).length, all.length),
    signal: share(rewards.filter((own) => own.some((reward) => reward !== own[0])).length, rewards.length),
    'answer-tokens': mean(answers.map(({ tokenIds }) => tokenIds.length)),
    truncated: share(answers.filter(({ finish }) => finish === 'length').length, answers.length),
  };
}

/** Scalars of multipliers. */
export function multiplierMetrics(multipliers: Float64Array): Partial<Record<Metric, number>> {
  let [sum, min, max] = [0, Number.POSITIVE_INFINITY, 0];
  for (const value of multipliers) {
    sum += value;
    min = Math.min(min, value);
    max = Math.max(max, value);
  }
  return { 'multiplier-mean': sum / multipliers.length, 'multiplier-min': min, 'multiplier-max': max };
}
