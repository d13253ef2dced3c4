import type { Interval } from '#shared/statistics/wilson.js';

/** One run as it ended, whatever trained it; kept as JSON. */
export interface FinishedRun {
  readonly way: string;
  readonly task: string;
  readonly seed: number;
  /** Numbers that are trained. */
  readonly parameters: number;
  /** Share of right greedy answers to the validation questions. */
  readonly validations: readonly { readonly step: number; readonly right: number }[];
  readonly bestStep: number;
  readonly bestValidation: number;
  readonly steps: number;
  /** Tokens sampled in steps, validation left out. */
  readonly tokens: number;
  readonly seconds: number;
  /** The kept step against the base on held-out questions; absent for a run of a sweep. */
  readonly test?: HeldOutTest;
  /** Name of what was published; absent for LoRA, which is not. */
  readonly expert?: string;
}

/** The outcome of a paired test. */
export interface HeldOutTest {
  readonly items: number;
  readonly base: number;
  readonly expert: number;
  /** Paired bootstrap, 95 %. */
  readonly difference: Interval;
  /** Exact McNemar; absent where rewards lie between right and wrong. */
  readonly p?: number;
  readonly passed: boolean;
}
