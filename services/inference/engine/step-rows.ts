import assert from 'node:assert/strict';
import type { EngineLimits } from './protocol.js';
import type { PriorityClass, Row, Task } from './task.js';

/**
 * Share of a step that batch requests may take together while an interactive one runs, of its answers as of its prompt tokens: whoever
 * reads along waits for the whole step.
 */
const BATCH_STEP_SHARE = 0.25;
/** A prompt that was passed over in this many steps goes first in the next, with the whole budget; answers wait for no more than these. */
const PASSED_OVER_MAX = 8;

/** A request that runs. */
export interface Running {
  readonly task: Task;
  /** Steps in a row that had no room for its prompt. */
  passedOver: number;
}

/**
 * Chooses the rows of each step: one token of every running answer, and prompt rows of at most `stepTokens` tokens together. A prompt that
 * fits into a step whole is not cut. While an interactive request runs, batch requests get a quarter of either. While none does,
 * nobody reads along, and batch answers wait for the prompts that the step has no room for: they then go on together, in fewer and fuller steps.
 */
export class StepRows {
  readonly #stepTokens: number;
  readonly #batchTokens: number;
  readonly #batchAnswers: number;
  /** Steps in a row that answers waited. */
  #held = 0;

  constructor({ stepTokens, slots }: Pick<EngineLimits, 'stepTokens' | 'slots'>) {
    this.#stepTokens = stepTokens;
    this.#batchTokens = Math.ceil(stepTokens * BATCH_STEP_SHARE);
    this.#batchAnswers = Math.ceil(slots * BATCH_STEP_SHARE);
  }

  /** The rows of the next step. `waits` = an interactive request waits for room, which running answers will give it. */
  next(running: readonly Running[], waits: boolean): readonly Row[] {
    const shared = running.some(({ task }) => task.priority === 'interactive');
    const prompts = this.#prompts(running, shared);
    const more = running.filter(({ task }) => task.prefilling).length > prompts.length;
    const fill = more && !shared && !waits && this.#held < PASSED_OVER_MAX;
    this.#held = fill ? this.#held + 1 : 0;
    return fill ? prompts : [...this.#answers(running, shared), ...prompts];
  }

  #answers(running: readonly Running[], shared: boolean): readonly Row[] {
    const of = (priority: PriorityClass): Row[] =>
      running.flatMap(({ task }) =>
        task.priority === priority && !task.prefilling ? task.decodeRows() : [],
      );
    const batch = of('batch');
    return [...of('interactive'), ...(shared ? batch.slice(0, this.#batchAnswers) : batch)];
  }

  #prompts(running: readonly Running[], shared: boolean): readonly Row[] {
    const rows: Row[] = [];
    let budget = this.#stepTokens;
    let batchBudget = shared ? this.#batchTokens : budget;
    for (const one of promptOrder(running)) {
      const { task } = one;
      const held = shared && task.priority === 'batch' && one.passedOver < PASSED_OVER_MAX;
      // The batch prompts' share is spent: they wait in their order, and none of them is passed over.
      if (held && batchBudget <= 0 && budget > 0) continue;
      const room = held ? Math.min(budget, batchBudget) : budget;
      const row = fits(task, room, held ? this.#batchTokens : this.#stepTokens) ? task.promptRow(room) : null;
      if (!row) {
        one.passedOver++;
        if (held) batchBudget = 0;
        continue;
      }
      const { length } = row.step.tokens;
      assert(length <= room, 'a prompt row larger than its budget');
      budget -= length;
      if (task.priority === 'batch') batchBudget -= length;
      one.passedOver = 0;
      rows.push(row);
    }
    return rows;
  }
}

/** Whether a prompt begins or goes on in `room`: one that a step could take whole (`most`) waits for a step that does. */
function fits({ promptTokens }: Task, room: number, most: number): boolean {
  return room > 0 && (promptTokens <= room || promptTokens > most);
}

function promptOrder(running: readonly Running[]): readonly Running[] {
  const rank = ({ task, passedOver }: Running): number =>
    passedOver >= PASSED_OVER_MAX ? 0 : rankOf[task.priority];
  return running.filter(({ task }) => task.prefilling).sort((a, b) => rank(a) - rank(b));
}

const rankOf: Readonly<Record<PriorityClass, number>> = { interactive: 1, batch: 2 };
