import type { Priority } from '#proto/zmesh/v1/common.js';
import type { DispatcherServiceService } from '#proto/zmesh/v1/dispatcher.js';
import { ZmeshError } from '#shared/errors.js';
import { askPatiently } from '#shared/patience.js';
import { runPool } from '#shared/pool.js';
import type { RpcClient } from '#shared/rpc/client.js';
import type { TaskSplit } from '#shared/tasks/task.js';
import type { EvalStrategy } from './evaluate.js';

/** How pass 1 labelled the questions of a task. */
export interface LabelResult {
  readonly task: string;
  readonly strategy: string;
  readonly right: number;
  readonly asked: number;
  /** True label → given label → questions. Abstained ones count under the label they had. */
  readonly confusion: Readonly<Record<string, Readonly<Record<string, number>>>>;
  /** Questions under the abstain threshold. */
  readonly abstained: number;
}

/** What to classify and how. */
export interface LabelOptions {
  readonly client: Pick<RpcClient<typeof DispatcherServiceService>, 'classify'>;
  /** Name of the model; empty = the only one served. */
  readonly model: string;
  /** A task of labelled questions (`isLabelTask`). */
  readonly task: TaskSplit;
  readonly strategy: EvalStrategy;
  /** Most questions, the first ones. Default all. */
  readonly limit?: number | undefined;
  readonly concurrency: number;
  readonly priority: Priority;
  readonly signal?: AbortSignal;
  readonly onProgress?: (done: number, total: number, what: string) => void;
}

/** True if every question of the task asks for a label: such a task measures pass 1, not answers. */
export function isLabelTask(task: TaskSplit): boolean {
  return task.items.every((item) => item.verifier.type === 'label');
}

/**
 * Puts every question of a label task through pass 1 alone and counts the labels. The questions' own system messages are
 * left out: the dispatcher brings the instruction. Failures as in `evaluate`.
 */
export async function evaluateLabels(options: LabelOptions): Promise<LabelResult> {
  const { client, model, task, strategy, concurrency, priority, signal, onProgress } = options;
  const items = task.items.slice(0, options.limit);
  const confusion: Record<string, Record<string, number>> = {};
  let right = 0;
  let abstained = 0;
  let done = 0;
  await runPool(items, { concurrency, signal }, async (item, stopped) => {
    const { verifier } = item;
    if (verifier.type !== 'label') throw new RangeError(`${task.name}/${item.id} asks for no label`);
    const messages = [{ role: 'user', content: item.prompt }];
    const prompt = { input: { $case: 'chat' as const, value: { messages } } };
    const request = { requestId: '', model, prompt, strategy: strategy.strategy, priority };
    const what = `${task.name}/${item.id} under ${strategy.name}`;
    const { classification } = await askPatiently(what, { signal: stopped }, () =>
      client.classify(request, { signal: stopped }),
    );
    if (!classification) throw new ZmeshError('INTERNAL', 'the dispatcher answered without a classification');
    confusion[verifier.value] ??= {};
    const row = confusion[verifier.value]!;
    row[classification.label] = (row[classification.label] ?? 0) + 1;
    if (classification.label === verifier.value) right++;
    if (classification.abstained) abstained++;
    onProgress?.(++done, items.length, `${task.name} under ${strategy.name}`);
  });
  return { task: task.name, strategy: strategy.name, right, asked: items.length, confusion, abstained };
}
