import type { FailureMessage } from '../engine/protocol.js';
import type { PreparedModel } from '../model/prepared.js';
import type { GradientRuntimeOptions } from '../runtime/gradient-runtime.js';
import type { GradientOutcome, GradientTask, PlanFacts } from './task.js';

/** Where the worker finds its runtime: a module and the name of the function that makes one. */
export interface GradientSource {
  /** URL of the module. */
  readonly module: string;
  readonly create: string;
  /** Passed to the function as it is. */
  readonly options: GradientRuntimeOptions<PreparedModel>;
}

/** What a gradient worker is started with. */
export interface GradientWorkerStart {
  readonly runtime: GradientSource;
  /** Bytes that one run may need beside the weights. */
  readonly memoryBytes: number;
}

/** What the main thread asks of the worker, one thing at a time; each is answered once. */
export type ToGradient =
  /** Takes a task in the place of the one before. Answered with its plan. */
  | { readonly type: 'plan'; readonly task: GradientTask }
  /** Runs the next part. Answered with `ran`, after the last part with the outcome. */
  | { readonly type: 'run' }
  /** Frees everything and ends the worker. */
  | { readonly type: 'close' };

/** What the worker answers. */
export type FromGradient =
  | { readonly type: 'planned'; readonly facts: PlanFacts }
  | { readonly type: 'ran'; readonly outcome: GradientOutcome | null }
  | { readonly type: 'failed'; readonly failure: FailureMessage };
