import type { VerifierSpec } from './verifier.js';

/** The parts of a task: what is trained on, what the best step is chosen by, what is reported. */
export const SPLITS = ['train', 'val', 'test'] as const;

/** One part of a task. */
export type Split = (typeof SPLITS)[number];

/** One question with the means to check an answer, as it is asked: the task's template and defaults are applied. */
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

/** The questions of one split under the name of their task. */
export interface TaskSplit {
  readonly name: string;
  readonly items: readonly TaskItem[];
}

/** A task: questions in three splits that have nothing in common, and what they share. */
export interface Task {
  /** Name of its folder or file, or as `task.json` says. */
  readonly name: string;
  /** SHA-256 of all splits' questions in canonical form, 64 hex digits; names, paths and layouts do not count. */
  readonly hash: string;
  /** Questions in the order of their files; a split may be empty. */
  readonly splits: Readonly<Record<Split, readonly TaskItem[]>>;
  /** The system message of questions without their own; undefined = none. */
  readonly system: string | undefined;
  /** Text around a prompt, `{prompt}` in it once; undefined = the prompt alone. Applied already in `splits`. */
  readonly template: string | undefined;
  /** The budget of questions without their own, tokens; undefined = the model's own limit. */
  readonly maxTokens: number | undefined;
}
