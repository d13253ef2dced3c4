import type { MixtureArm, Priority, Prompt, Sampling } from '#proto/zmesh/v1/common.js';

/** Settings of pass 1, complete. */
export interface FirstPassSettings {
  readonly mode: 'score' | 'generate';
  /** `probability` only with `score`. */
  readonly blend: 'top' | 'probability';
  /** [0, 1]. */
  readonly abstainThreshold: number;
}

/** How the caller wants the mixture to be found. Names are not resolved yet. */
export type AskedStrategy =
  | { readonly kind: 'none' }
  | { readonly kind: 'expert'; readonly expert: string }
  | { readonly kind: 'mixture'; readonly arms: readonly MixtureArm[] }
  | { readonly kind: 'prompt'; readonly firstPass: FirstPassSettings }
  | {
      readonly kind: 'classifier';
      readonly firstPass: FirstPassSettings;
      readonly expert: string | undefined;
    }
  | { readonly kind: 'adaptation'; readonly adaptation: string }
  | { readonly kind: 'auto'; readonly firstPass: FirstPassSettings };

/** Name of a strategy. */
export type StrategyName = AskedStrategy['kind'];

/** A validated question. */
export interface Question {
  readonly requestId: string;
  /** Name of the model; empty = the only one served. */
  readonly model: string;
  readonly prompt: Prompt;
  readonly strategy: AskedStrategy;
  readonly priority: Priority;
  /** Aborts when the caller leaves or its deadline passes. */
  readonly signal: AbortSignal;
  /** The caller's deadline on performance.now's clock, passed on to inference. */
  readonly deadline: number | undefined;
  /** W3C trace id of the request, 32 hex digits. */
  readonly traceId: string;
  /** When it arrived, on performance.now's clock. */
  readonly arrivedMs: number;
}

/** A question that wants answers. */
export interface GenerationQuestion extends Question {
  readonly sampling: Sampling | undefined;
  /** Number of answers, >= 1. */
  readonly n: number;
}
