import type { RunSpec } from '#proto/zmesh/v1/trainer.js';
import { openScorer, type Scorer } from '#shared/tasks/scorer.js';
import type { TaskItem } from '#shared/tasks/task.js';
import type { Rollout } from './algorithms/algorithm.js';
import type { RunData } from './run-data.js';

/** What answers are worth. */
export interface Rewards {
  /** A reward in [-1, 1] for each answer, by item and sample. */
  of(
    items: readonly TaskItem[],
    rollouts: readonly (readonly Rollout[])[],
    signal: AbortSignal,
  ): Promise<readonly (readonly number[])[]>;
  /** Closes what judges. */
  close(): void;
}

/**
 * Rewards of a run: by its reward service, if it names one, else by the questions' own verifiers. An answer that its budget
 * cut off is wrong, whatever it says. Throws SANDBOX_UNAVAILABLE before anything is asked.
 */
export async function openRewards({ task, rewardAddress }: RunSpec, data: RunData): Promise<Rewards> {
  const all = [...data.train, ...data.validation, ...data.test, ...data.others.flatMap(({ items }) => items)];
  const judged = (item: TaskItem): TaskItem => (rewardAddress === '' ? item : byService(item, rewardAddress));
  const scorer = await openScorer(all.map(judged), { task: task?.name ?? '' });
  return {
    of: (items, rollouts, signal) =>
      Promise.all(items.map((item, i) => rewardsOf(scorer, judged(item), rollouts[i]!, signal))),
    close: () => scorer.close(),
  };
}

/** The question as the reward service judges it: it is told the first known answer. */
function byService(item: TaskItem, address: string): TaskItem {
  const [reference = ''] = item.answers;
  return { ...item, verifier: { type: 'reward-service', address, reference, metadata: {} } };
}

async function rewardsOf(
  scorer: Scorer,
  item: TaskItem,
  rollouts: readonly Rollout[],
  signal: AbortSignal,
): Promise<number[]> {
  const whole = rollouts.filter(({ finish }) => finish !== 'length');
  const verdicts = await scorer.score(
    whole.map(({ text }) => ({ item, answer: text })),
    signal,
  );
  const rewardOf = new Map(whole.map((rollout, i) => [rollout, verdicts[i]!.reward]));
  return rollouts.map((rollout) => rewardOf.get(rollout) ?? -1);
}
