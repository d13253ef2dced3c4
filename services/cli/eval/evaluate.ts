import { FinishReason, type Priority, Sampling } from '#proto/zmesh/v1/common.js';
import type {
  CompleteRequest,
  CompleteResponse,
  DispatcherServiceService,
  Strategy,
} from '#proto/zmesh/v1/dispatcher.js';
import { ZmeshError } from '#shared/errors.js';
import { askPatiently } from '#shared/patience.js';
import { runPool } from '#shared/pool.js';
import type { RpcClient } from '#shared/rpc/client.js';
import { messagesOf } from '#shared/tasks/messages.js';
import { openScorer, type Scorer } from '#shared/tasks/scorer.js';
import type { TaskItem, TaskSplit } from '#shared/tasks/task.js';
import type { EvalResult, Outcome } from './result.js';

/** A strategy and what tables call it. */
export interface EvalStrategy {
  /** Unique in one evaluation, e.g. `none`, `math`, `auto`. */
  readonly name: string;
  readonly strategy: Strategy;
}

/** What to evaluate and how. */
export interface EvalOptions {
  readonly client: Pick<RpcClient<typeof DispatcherServiceService>, 'complete'>;
  /** Name of the model; empty = the only one served. */
  readonly model: string;
  readonly tasks: readonly TaskSplit[];
  readonly strategies: readonly EvalStrategy[];
  /** Most questions of each task, the first ones. Default all. */
  readonly limit?: number | undefined;
  /** Questions under way at once. Enough to fill the engine's batch. */
  readonly concurrency: number;
  readonly priority: Priority;
  /** `host:port` of the reward service for questions that name none. Default none. */
  readonly rewardAddress?: string | undefined;
  readonly signal?: AbortSignal;
  /** Called after every answer. */
  readonly onProgress?: (done: number, total: number, what: string) => void;
}

interface Job {
  readonly task: TaskSplit;
  readonly item: TaskItem;
  readonly strategy: EvalStrategy;
  readonly outcomes: Outcome[];
  readonly index: number;
}

/**
 * Asks every question under every strategy, greedily, and verifies the answers. An answer that its budget cut off is wrong,
 * whatever it says. A full queue is waited for; any other failure of a call ends the evaluation with its reason: a table
 * never hides that questions went unanswered. Throws INVALID_FIELD where two tasks or two strategies have one name.
 */
export async function evaluate(options: EvalOptions): Promise<EvalResult> {
  const startMs = performance.now();
  const { tasks, strategies, concurrency, signal, onProgress } = options;
  checkNames('tasks', tasks);
  checkNames('strategies', strategies);
  const cells = tasks.flatMap((task) =>
    strategies.map((strategy) => ({ task, strategy, outcomes: [] as Outcome[] })),
  );
  const jobs: Job[] = cells.flatMap(({ task, strategy, outcomes }) =>
    task.items.slice(0, options.limit).map((item, index) => ({ task, item, strategy, outcomes, index })),
  );
  let done = 0;
  const scorer = await openScorer(
    jobs.map(({ item }) => item),
    options.rewardAddress === undefined ? {} : { rewards: { address: options.rewardAddress } },
  );
  try {
    await runPool(jobs, { concurrency, signal }, async (job, stopped) => {
      job.outcomes[job.index] = await ask(job, options, scorer, stopped);
      onProgress?.(++done, jobs.length, `${job.task.name} under ${job.strategy.name}`);
    });
  } finally {
    scorer.close();
  }
  return {
    tasks: tasks.map(({ name }) => name),
    strategies: strategies.map(({ name }) => name),
    cells: cells.map(({ task, strategy, outcomes }) => ({
      task: task.name,
      strategy: strategy.name,
      outcomes,
    })),
    durationMs: performance.now() - startMs,
  };
}

/** Results are looked up by name: two of one name would count as one. */
function checkNames(field: string, named: readonly { readonly name: string }[]): void {
  const twice = named.find(({ name }, i) => named.findIndex((other) => other.name === name) < i);
  if (!twice) return;
  throw new ZmeshError('INVALID_FIELD', `two of the ${field} are called "${twice.name}"`, {
    field,
    value: twice.name,
  });
}

async function ask(
  { task, item, strategy }: Job,
  options: EvalOptions,
  scorer: Scorer,
  signal: AbortSignal,
): Promise<Outcome> {
  const request: CompleteRequest = {
    request: {
      requestId: '',
      model: options.model,
      prompt: { input: { $case: 'chat', value: { messages: messagesOf(item) } } },
      strategy: strategy.strategy,
      sampling: Sampling.create({
        temperature: 0,
        ...(item.maxTokens !== undefined && { maxTokens: item.maxTokens }),
      }),
      n: 1,
      priority: options.priority,
    },
  };
  const what = `${task.name}/${item.id} under ${strategy.name}`;
  const answered = await askPatiently(what, { signal }, () => options.client.complete(request, { signal }));
  return judge(item, answered, scorer, signal);
}

async function judge(
  item: TaskItem,
  { answers, receipt }: CompleteResponse,
  scorer: Scorer,
  signal: AbortSignal,
): Promise<Outcome> {
  const [answer] = answers;
  if (!answer || !receipt)
    throw new ZmeshError('INTERNAL', 'the dispatcher answered without an answer or a receipt');
  const over = answer.finishReason === FinishReason.STOP;
  const [verdict] = over ? await scorer.score([{ item, answer: answer.text }], signal) : [];
  return {
    id: item.id,
    right: verdict?.correct ?? false,
    text: answer.text,
    finishReason: answer.finishReason,
    tokens: answer.tokenIds.length,
    label: receipt.classification?.label,
    abstained: receipt.classification?.abstained ?? false,
    experts: receipt.arms.map(({ expert }) => expert),
  };
}
