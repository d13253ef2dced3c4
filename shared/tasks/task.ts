import type { VerifierSpec } from './verifier.js';

/** One question with the means to check an answer. A line of a task file. */
export interface TaskItem {
  /** Unique in its task. */
  readonly id: string;
  /** The user's message. */
  readonly prompt: string;
  /** The system message; undefined = none. */
  readonly system: string | undefined;
  /** Right answers that are known; may be empty. */
  readonly answers: readonly string[];
  /** The budget in new tokens: an answer that is not over by then is wrong. Undefined = the model's own limit. */
  readonly maxTokens: number | undefined;
  readonly verifier: VerifierSpec;
}

/** A named set of questions. */
export interface Task {
  readonly name: string;
  readonly items: readonly TaskItem[];
}
