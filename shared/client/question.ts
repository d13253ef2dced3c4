import { type ChatMessage, Priority, type Prompt, Sampling } from '#proto/zmesh/v1/common.js';
import type { ClassifyRequest, GenerateRequest, Strategy } from '#proto/zmesh/v1/dispatcher.js';

/** What the model continues: a question in plain words (one message of a user), a conversation, raw text, or token ids. */
export type PromptInput =
  | string
  | readonly ChatMessage[]
  | { readonly text: string }
  | { readonly tokenIds: readonly number[] }
  | Prompt;

/**
 * How the mixture of experts is found: by a strategy with its defaults, by one expert's name (`math@stable`), by an
 * adaptation's, by given weights (`{ mixture: { math: 0.7, base: 0.3 } }`), or as the contract spells it.
 */
export type StrategyInput =
  | 'none'
  | 'prompt'
  | 'classifier'
  | 'auto'
  | { readonly expert: string }
  | { readonly adaptation: string }
  | { readonly mixture: Readonly<Record<string, number>> }
  | Strategy;

/** A question for the mesh. */
export interface Question {
  readonly prompt: PromptInput | undefined;
  /** Default: the only model that is served. */
  readonly model?: string | undefined;
  /** Default: the deployment's. */
  readonly strategy?: StrategyInput | undefined;
  /** Defaults: greedy, at most 256 new tokens; see the contract's `Sampling`. */
  readonly sampling?: Partial<Sampling> | undefined;
  /** Number of answers, 1 to 64. Default 1. */
  readonly n?: number | undefined;
  /** Default: a person waits. */
  readonly priority?: Priority | undefined;
  /** 1 to 128 printable ASCII characters. Default: made by the dispatcher, told in the receipt. */
  readonly requestId?: string | undefined;
}

/** A question for pass 1 alone. */
export type ClassifyQuestion = Omit<Question, 'sampling' | 'n'>;

/** A prompt as the contract has it. */
export function promptOf(prompt: PromptInput | undefined): Prompt | undefined {
  if (prompt === undefined) return undefined;
  if (typeof prompt === 'string') return promptOf([{ role: 'user', content: prompt }]);
  if (isMessages(prompt)) return { input: { $case: 'chat', value: { messages: [...prompt] } } };
  if ('text' in prompt) return { input: { $case: 'text', value: prompt.text } };
  if ('tokenIds' in prompt) return { input: { $case: 'tokens', value: { ids: [...prompt.tokenIds] } } };
  return prompt;
}

/** A request of `Generate` or `Complete`. */
export function generateRequest(question: Question): GenerateRequest {
  const { requestId = '', model = '', n = 0, priority = Priority.UNSPECIFIED, sampling } = question;
  return {
    requestId,
    model,
    prompt: promptOf(question.prompt),
    strategy: strategyOf(question.strategy),
    sampling: sampling && { ...Sampling.create({}), ...sampling },
    n,
    priority,
  };
}

/** A request of `Classify`. */
export function classifyRequest(question: ClassifyQuestion): ClassifyRequest {
  const { requestId = '', model = '', priority = Priority.UNSPECIFIED } = question;
  return {
    requestId,
    model,
    prompt: promptOf(question.prompt),
    strategy: strategyOf(question.strategy),
    priority,
  };
}

function strategyOf(strategy: StrategyInput | undefined): Strategy | undefined {
  if (strategy === undefined) return undefined;
  if (typeof strategy === 'string') {
    if (strategy === 'none') return { kind: { $case: 'none', value: {} } };
    if (strategy === 'classifier')
      return { kind: { $case: 'classifier', value: { firstPass: undefined, expert: '' } } };
    return { kind: { $case: strategy, value: { firstPass: undefined } } };
  }
  if ('expert' in strategy) return { kind: { $case: 'expert', value: { expert: strategy.expert } } };
  if ('adaptation' in strategy)
    return { kind: { $case: 'adaptation', value: { adaptation: strategy.adaptation } } };
  if ('mixture' in strategy) {
    const arms = Object.entries(strategy.mixture).map(([expert, alpha]) => ({
      expert,
      alpha,
      alphaPerMatrix: {},
    }));
    return { kind: { $case: 'mixture', value: { mixture: { arms } } } };
  }
  return strategy;
}

/** `Array.isArray` does not see that a readonly array is one. */
function isMessages(prompt: Exclude<PromptInput, string>): prompt is readonly ChatMessage[] {
  return Array.isArray(prompt);
}
