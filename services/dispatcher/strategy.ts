import type { ReceiptArm } from '#proto/zmesh/v1/dispatcher.js';
import type { ExpertVersion } from '#proto/zmesh/v1/expert_registry.js';
import type { ServedModel } from '#proto/zmesh/v1/inference.js';
import type { Catalog } from '#shared/catalog/follow.js';
import type { Inference } from '#shared/fleet/inference.js';
import type { CallOptions } from '#shared/rpc/client.js';
import type { FirstPassOutcome } from './first-pass.js';
import type { AskedStrategy, Question, StrategyName } from './question.js';
import { adaptation } from './strategy-adaptation.js';
import { auto } from './strategy-auto.js';
import { classifier } from './strategy-classifier.js';
import { expert } from './strategy-expert.js';
import { mixture } from './strategy-mixture.js';
import { none } from './strategy-none.js';
import { prompt } from './strategy-prompt.js';

/** The mixture of a request and how it was found. */
export interface Choice {
  /** The strategy that was used; differs from the one asked for under `auto`. */
  readonly used: StrategyName;
  /** Why, in one sentence; empty where there was no choice. */
  readonly reason: string;
  /** The mixture; empty = the base. */
  readonly arms: readonly ReceiptArm[];
  /** Pass 1; undefined for strategies without one. */
  readonly firstPass: FirstPassOutcome | undefined;
  /** The adaptation in use, `model/name@version`. Absent for other strategies. */
  readonly adaptation?: string;
}

/** What strategies work with. */
export interface StrategyContext {
  readonly model: ServedModel;
  readonly inference: Inference;
  readonly catalog: Catalog;
  readonly lookUp: (name: string, options: CallOptions) => Promise<ExpertVersion>;
  readonly routedAlias: string;
  readonly labelTokensMax: number;
}

/** One way of finding the mixture of a request. Failures are errors with a reason, never the base in silence. */
export type Strategy<K extends StrategyName = StrategyName> = (
  asked: Extract<AskedStrategy, { readonly kind: K }>,
  question: Question,
  context: StrategyContext,
) => Promise<Choice>;

/** Every strategy by its name. A new one = a file and a line here. */
export const STRATEGIES: { readonly [K in StrategyName]: Strategy<K> } = {
  none,
  expert,
  mixture,
  prompt,
  classifier,
  adaptation,
  auto,
};

/** Finds the mixture of a question with the strategy it asks for. */
export function chooseMixture(question: Question, context: StrategyContext): Promise<Choice> {
  const strategy = STRATEGIES[question.strategy.kind] as unknown as (
    asked: AskedStrategy,
    question: Question,
    context: StrategyContext,
  ) => Promise<Choice>;
  return strategy(question.strategy, question, context);
}
