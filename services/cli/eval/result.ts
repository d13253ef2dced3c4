import type { FinishReason } from '#proto/zmesh/v1/common.js';

/** One question as it was answered under one strategy. */
export interface Outcome {
  /** Id of the question in its task. */
  readonly id: string;
  /** True if the answer passed its verifier and was over within its budget. */
  readonly right: boolean;
  readonly text: string;
  readonly finishReason: FinishReason;
  /** New tokens. */
  readonly tokens: number;
  /** Label of pass 1; undefined for strategies without one. */
  readonly label: string | undefined;
  /** True if pass 1 was under its threshold. */
  readonly abstained: boolean;
  /** Experts that answered, `model/expert@version`; empty = the base. */
  readonly experts: readonly string[];
}

/** One task under one strategy. */
export interface EvalCell {
  readonly task: string;
  readonly strategy: string;
  /** In the order of the task's questions. */
  readonly outcomes: readonly Outcome[];
}

/** Everything an evaluation found. */
export interface EvalResult {
  /** Names of the tasks, in the order given. */
  readonly tasks: readonly string[];
  /** Names of the strategies, in the order given. */
  readonly strategies: readonly string[];
  /** Tasks by strategies, task after task. */
  readonly cells: readonly EvalCell[];
  readonly durationMs: number;
}

/** The cell of a task under a strategy. Throws for a name that the result does not have. */
export function cellOf(result: EvalResult, task: string, strategy: string): EvalCell {
  const found = result.cells.find((cell) => cell.task === task && cell.strategy === strategy);
  if (!found) throw new RangeError(`no task ${task} under ${strategy} in this result`);
  return found;
}
