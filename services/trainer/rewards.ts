import type { TaskItem } from '#shared/tasks/task.js';
import { verify } from '#shared/tasks/verifier.js';
import type { Rollout } from './algorithms/algorithm.js';

/** What answers are worth. */
export interface Rewards {
  /** A reward in [-1, 1] for each answer, by item and sample. */
  of(
    items: readonly TaskItem[],
    rollouts: readonly (readonly Rollout[])[],
    signal: AbortSignal,
  ): Promise<readonly (readonly number[])[]>;
}

/** Rewards by the tasks' own verifiers. An answer that its budget cut off is wrong, whatever it says. */
export const verifierRewards: Rewards = {
  of: (items, rollouts, signal) =>
    Promise.all(
      items.map((item, i) =>
        Promise.all(
          rollouts[i]!.map(async ({ text, finish }) =>
            finish === 'length' ? -1 : (await verify(text, item, { signal })).reward,
          ),
        ),
      ),
    ),
};
