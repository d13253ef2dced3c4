import { drawStream, permutation } from './draws.js';

/** Which questions the steps of a run ask. */
export interface BatchPlan {
  readonly seed: bigint;
  /** Questions of the training split. */
  readonly items: number;
  /** Questions a step; as many as there are, if there are fewer. */
  readonly prompts: number;
  /**
   * `epoch`: no question comes again before every batch of its epoch is used up; what is left over at an epoch's end
   * waits for the next shuffle. `independent`: every batch is drawn from all questions, as in the published code.
   * Either way no question stands twice in one batch.
   */
  readonly order: 'epoch' | 'independent';
}

/** The questions of one step, as indices into the training split, in the order they are asked. A function of the plan and the step alone. */
export function batchOf(plan: BatchPlan, step: number): number[] {
  const { seed, items, order } = plan;
  const size = Math.min(plan.prompts, items);
  const batches = order === 'epoch' ? Math.floor(items / size) : 1;
  const epoch = Math.floor(step / batches);
  const shuffled = permutation(drawStream({ seed, step: epoch, purpose: 'batch', index: 0 }), items);
  const start = (step % batches) * size;
  return shuffled.slice(start, start + size);
}
