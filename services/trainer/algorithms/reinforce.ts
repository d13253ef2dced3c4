import type { SettingRule, Settings } from '#shared/config.js';
import type { TaskItem } from '#shared/tasks/task.js';
import { advantagesOf } from '../advantages.js';
import { drawSeed } from '../draws.js';
import { rolloutMetrics } from '../metrics.js';
import type { SettingValues, TrainingState } from '../state.js';
import type { Algorithm, Rollout, RolloutRecord, StepReport, Trials, WeightedAnswer } from './algorithm.js';
import { beginGradient, followGradient, gradientMultipliers, lossWeights } from './gradient-state.js';
import { GRADIENT_SETTINGS, ROLLOUT_SETTINGS } from './run-settings.js';

const SETTINGS = {
  ...GRADIENT_SETTINGS,
  ...ROLLOUT_SETTINGS,
  samples: { type: 'integer', default: 4, min: 1, max: 256, help: 'Answers a question.' },
  baseline: {
    type: 'choice',
    default: 'leave-one-out',
    choices: ['leave-one-out', 'batch-mean', 'none'],
    help: "What is subtracted from a reward: the mean of the question's other answers, of the batch, or nothing.",
  },
  rewardScale: {
    type: 'choice',
    default: 'deviation',
    choices: ['deviation', 'none'],
    help: 'What rewards are divided by after the baseline: their standard deviation over the batch, or nothing.',
  },
} as const satisfies Readonly<Record<string, SettingRule>>;

type ReinforceSettings = Settings<typeof SETTINGS>;

/**
 * REINFORCE (R. J. Williams 1992; for SVF arXiv 2501.06252 §3.2): the loss is the batch's mean of
 * −advantage·log π(answer) + klCoefficient·KL, answers sampled from the policy that is trained.
 */
export const reinforce: Algorithm = {
  name: 'reinforce',
  help: 'Policy gradient: answers are sampled and rewarded, better than expected ones become more likely.',
  settings: SETTINGS,
  faults,
  questionFault: () => undefined,
  begin: (model, settings, seed) => beginGradient('reinforce', model, settings, seed),
  step,
  multipliers: gradientMultipliers,
};

function faults(values: SettingValues): string[] {
  const { baseline, samples, temperature } = values as unknown as ReinforceSettings;
  const found: string[] = [];
  if (baseline === 'leave-one-out' && samples < 2)
    found.push(`baseline=leave-one-out needs samples of at least 2, not ${samples}`);
  if (temperature === 0 && samples > 1)
    found.push(`temperature=0 gives the same answer each time: samples must be 1, not ${samples}`);
  return found;
}

async function step(
  state: TrainingState,
  items: readonly TaskItem[],
  trials: Trials,
  signal: AbortSignal,
): Promise<{ state: TrainingState; report: StepReport }> {
  const settings = state.settings as unknown as ReinforceSettings;
  const { samples, temperature, topP, normalisation, baseline, rewardScale } = settings;
  const seeds = items.map((_, index) =>
    drawSeed({ seed: state.seed, step: state.step, purpose: 'rollout', index }),
  );
  const rollouts = await trials.sample(
    { multipliers: gradientMultipliers(state), normalisation, items, seeds, samples, temperature, topP },
    signal,
  );
  const rewards = await trials.reward(items, rollouts, signal);
  const advantages = advantagesOf(rewards, baseline, rewardScale);
  const answers = weightedAnswers(settings, items, rollouts, advantages);
  const { state: next, metrics } = await followGradient(state, answers, trials, signal);
  return {
    state: next,
    report: {
      step: next.step,
      metrics: { ...rolloutMetrics(rollouts, rewards), ...metrics },
      rollouts: rolloutRecords(items, rollouts, rewards, advantages),
    },
  };
}

function weightedAnswers(
  settings: ReinforceSettings,
  items: readonly TaskItem[],
  rollouts: readonly (readonly Rollout[])[],
  advantages: readonly (readonly number[])[],
): WeightedAnswer[] {
  const count = items.length * settings.samples;
  return items
    .flatMap((item, i) =>
      rollouts[i]!.map((rollout, j) => {
        const tokenIds = trainedTokens(rollout, settings.endToken);
        return { item, tokenIds, ...lossWeights(settings, advantages[i]![j]!, tokenIds.length, count) };
      }),
    )
    .filter(({ tokenIds }) => tokenIds.length > 0);
}

/** The tokens that the loss counts. */
function trainedTokens(rollout: Rollout, endToken: boolean): readonly number[] {
  return rollout.finish === 'end' && !endToken ? rollout.tokenIds.slice(0, -1) : rollout.tokenIds;
}

/** Rollouts for a run's record, item after item. */
export function rolloutRecords(
  items: readonly TaskItem[],
  rollouts: readonly (readonly Rollout[])[],
  rewards: readonly (readonly number[])[],
  advantages: readonly (readonly number[])[] | undefined,
): RolloutRecord[] {
  return items.flatMap((item, i) =>
    rollouts[i]!.map((rollout, j) => ({
      itemId: item.id,
      sample: j,
      text: rollout.text,
      finish: rollout.finish,
      tokens: rollout.tokenIds.length,
      reward: rewards[i]![j]!,
      advantage: advantages?.[i]?.[j],
    })),
  );
}
