import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { EMBEDDED_FOLDER, EMBEDDED_MODEL } from '#deploy/local/embedded-model.js';
import { type CompleteResponse, GenerateRequest, type Strategy } from '#proto/zmesh/v1/dispatcher.js';
import type { DispatcherClient } from './chaos-mesh.js';

const TASKS = ['arithmetic-two-step', 'list-program-two-step', 'ordering-six'] as const;
const STRATEGIES: readonly NonNullable<Strategy['kind']>[] = [
  { $case: 'none', value: {} },
  { $case: 'expert', value: { expert: 'math@stable' } },
  {
    $case: 'mixture',
    value: {
      mixture: {
        arms: [
          { expert: 'code@stable', alpha: 0.5, alphaPerMatrix: {} },
          { expert: 'reasoning@stable', alpha: 0.5, alphaPerMatrix: {} },
        ],
      },
    },
  },
  { $case: 'prompt', value: { firstPass: undefined } },
  { $case: 'classifier', value: { firstPass: undefined, expert: '' } },
  { $case: 'auto', value: { firstPass: undefined } },
];
const PER_TASK = 2;

/** How long the answers are. */
export interface Size {
  readonly n: number;
  readonly maxTokens: number;
  /** Whether an answer is as long as it may be. */
  readonly ignoreEos: boolean;
}

/** As people ask. */
export const USUAL: Size = { n: 1, maxTokens: 48, ignoreEos: false };
/** So much work that refusing ten times as many costs little beside it. */
export const HEAVY: Size = { n: 8, maxTokens: 400, ignoreEos: true };

/** One answer of 64 tokens, neither more nor less. */
export const MEDIUM: Size = { n: 1, maxTokens: 64, ignoreEos: true };
/** So little work that asking costs as much. */
export const SHORT: Size = { n: 1, maxTokens: 1, ignoreEos: true };

/** A greedy question with one right answer. */
export interface Question {
  readonly request: GenerateRequest;
  /** What the undisturbed mesh answered: tokens, label and mixture. */
  readonly answer: string;
}

/** What must not differ between two answers to one greedy question. */
export function essence({ answers, receipt }: CompleteResponse): string {
  const ids = answers.map(({ tokenIds }) => tokenIds.join(' '));
  return JSON.stringify([ids, receipt?.classification?.label, receipt?.mixtureHash]);
}

/** Mixed strategies over the embedded tasks, each asked once while nothing is broken; `most` questions of them, default all. */
export async function askUndisturbed(
  client: DispatcherClient,
  { n, ...sampling }: Size = USUAL,
  most = Number.POSITIVE_INFINITY,
): Promise<readonly Question[]> {
  const texts = await Promise.all(
    TASKS.map((task) => readFile(join(EMBEDDED_FOLDER, 'tasks', task, 'test.jsonl'), 'utf8')),
  );
  const prompts = texts.flatMap((text) =>
    text.split('\n', PER_TASK).map((line) => JSON.parse(line).prompt as string),
  );
  const requests = prompts.flatMap((content) =>
    STRATEGIES.map((kind) =>
      GenerateRequest.fromPartial({
        model: EMBEDDED_MODEL,
        prompt: { input: { $case: 'chat', value: { messages: [{ role: 'user', content }] } } },
        sampling: { ...sampling, temperature: 0 },
        n,
        strategy: { kind },
      }),
    ),
  );
  const questions: Question[] = [];
  for (const request of requests.slice(0, most))
    questions.push({ request, answer: essence(await client.complete({ request }, { timeoutMs: 30_000 })) });
  return questions;
}
