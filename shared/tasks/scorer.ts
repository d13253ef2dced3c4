import { LANGUAGES, type Language } from '../sandbox/runtimes.js';
import { openSandbox, type Sandbox, type SandboxOptions } from '../sandbox/sandbox.js';
import { connectRewards, type RewardOptions, type Rewards } from './reward-client.js';
import type { TaskItem } from './task.js';
import type { Verdict } from './verdict.js';
import { VERIFIERS, type Verifier, type VerifierSpec, verify } from './verifier.js';

/** An answer to a question. */
export interface AnswerTo {
  readonly item: TaskItem;
  readonly answer: string;
}

/** Judges answers to the questions it was opened for. */
export interface Scorer {
  /** A verdict for each answer, in their order. Throws what a verifier throws; a wrong answer is a verdict, not an error. */
  score(answers: readonly AnswerTo[], signal?: AbortSignal): Promise<Verdict[]>;
  /** Closes connections to reward services. */
  close(): void;
}

/** How answers are judged where it does not depend on the question. */
export interface ScorerOptions {
  /** Name of the task, told to reward services. */
  readonly task?: string;
  /** Reward service of questions that name none, and how it is called. */
  readonly rewards?: RewardOptions;
  readonly sandbox?: Omit<SandboxOptions, 'languages'>;
}

/**
 * Opens what the questions' verifiers need: the sandbox, tried once, if any of them runs programs, and connections to reward
 * services when they are first asked. Throws SANDBOX_UNAVAILABLE before any question is asked, not after the first answer.
 */
export async function openScorer(items: Iterable<TaskItem>, options: ScorerOptions = {}): Promise<Scorer> {
  const languages = languagesOf(items);
  const sandbox: Sandbox | undefined =
    languages.length > 0 ? await openSandbox({ ...options.sandbox, languages }) : undefined;
  const services = new Map<string, Rewards>();
  const rewards = (named: string): Rewards | undefined => {
    const address = named || (options.rewards?.address ?? '');
    if (address === '') return undefined;
    const service =
      services.get(address) ?? connectRewards({ task: options.task ?? '', ...options.rewards, address });
    services.set(address, service);
    return service;
  };
  return {
    async score(answers, signal) {
      return await Promise.all(
        answers.map(({ item, answer }) => verify(answer, item, { sandbox, rewards, signal })),
      );
    },
    close() {
      for (const service of services.values()) service.close();
      services.clear();
    },
  };
}

/** The languages of programs that the questions' verifiers run. */
function languagesOf(items: Iterable<TaskItem>): Language[] {
  const found = new Set<Language>();
  for (const { verifier } of items) {
    const language = (VERIFIERS[verifier.type] as Verifier<VerifierSpec>).language?.(verifier);
    if (language !== undefined) found.add(language);
  }
  return LANGUAGES.filter((language) => found.has(language));
}
