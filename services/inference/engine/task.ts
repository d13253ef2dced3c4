import type { StepResult, StepRow } from '../runtime/runtime.js';

/** Which queue a request waits in. */
export type PriorityClass = 'interactive' | 'batch';

/** One row of a step and what its task wants to know of it. */
export interface Row {
  readonly task: Task;
  /** Which of the task's answers; −1 where it is the common prompt. */
  readonly answer: number;
  readonly step: StepRow;
  /** Target ids, one for each wanted token, −1 = none; null = no targets. */
  readonly targets: Int32Array | null;
  readonly topK: number;
  readonly fullLogits: boolean;
}

/**
 * A request inside the engine: it says what to compute next and takes the results. The scheduler decides when.
 * Implementations: `Generation` and `Scoring`.
 */
export interface Task {
  /** The engine's own number of the request. */
  readonly id: number;
  readonly priority: PriorityClass;
  /** Rows of the batch it may fill at a time from now on: fewer once answers of it ended. */
  readonly slots: number;
  /** Pages it holds at most from now on, shared ones counted once. */
  readonly pagesMax: number;
  /** Prompt tokens whose keys and values came from the prefix cache. */
  readonly cachedTokens: number;
  /** True while prompt rows are left. */
  readonly prefilling: boolean;
  /** Tokens of its next prompt row, were there room for all of them. Asked while it is prefilling. */
  readonly promptTokens: number;
  /** True when nothing is left to do. */
  readonly done: boolean;
  /**
   * The next prompt row with at most `budget` new tokens; null if that is too little for it. Always possible with the
   * whole step's budget.
   */
  promptRow(budget: number): Row | null;
  /** One row for each running answer. */
  decodeRows(): readonly Row[];
  /** Takes the result of a row it gave; the row's first wanted token is number `at` of the result. Throws a ZmeshError that ends this task alone. */
  accept(row: Row, result: StepResult, at: number): void;
  /** Gives all pages back. Called once. */
  release(): void;
}
