import { FinishReason, type Mixture, Priority, type Prompt, Sampling } from '#proto/zmesh/v1/common.js';
import { LogitsScope } from '#proto/zmesh/v1/inference.js';
import { ZmeshError } from '#shared/errors.js';
import { askPatiently } from '#shared/patience.js';
import { runPool } from '#shared/pool.js';
import type { Scorer } from '#shared/tasks/scorer.js';
import type { TaskItem } from '#shared/tasks/task.js';
import type { TrainableModel, TrainerMesh } from '../mesh.js';
import { OVERRUNS, promptOf } from '../trials-options.js';
import type { SearchTrials } from './wave.js';

/** What trials of a search are made with. */
export interface InferenceSearchOptions {
  readonly mesh: TrainerMesh;
  readonly model: TrainableModel;
  readonly items: readonly TaskItem[];
  readonly scorer: Scorer;
  /** Prompts that are asked at once. */
  readonly rolloutsMax: number;
  /** Longest time of one call. */
  readonly callTimeoutMs: number;
}

/**
 * Trials of examples by RPCs of inference, as batch work, each row under its own mixture. A prompt is rendered and encoded once and
 * sent as token ids from then on: a wave asks it under every candidate, and inference's main thread, which encodes, serves people too.
 */
export function inferenceSearch(options: InferenceSearchOptions): SearchTrials {
  const { items, scorer, rolloutsMax } = options;
  const prompts = new Map<number, Promise<Prompt>>();
  const promptFor = (example: number, signal: AbortSignal): Promise<Prompt> => {
    const known = prompts.get(example);
    if (known) return known;
    const made = encoded(options, example, signal);
    prompts.set(example, made);
    made.catch(() => prompts.delete(example));
    return made;
  };
  const asked = async (example: number, mixture: Mixture, signal: AbortSignal): Promise<Asked> => ({
    example,
    mixture,
    signal,
    prompt: await promptFor(example, signal),
  });
  return {
    answer: (example, mixture, signal) =>
      askPatiently(`example ${items[example]!.id}`, { signal, overruns: OVERRUNS }, async () =>
        answer(options, await asked(example, mixture, signal)),
      ),
    likelihood: (example, mixture, signal) =>
      askPatiently(`example ${items[example]!.id}`, { signal, overruns: OVERRUNS }, async () =>
        likelihood(options, await asked(example, mixture, signal)),
      ),
    async verify(example, text, signal) {
      const [verdict] = await scorer.score([{ item: items[example]!, answer: text }], signal);
      return verdict!.correct;
    },
    all: (jobs, signal, run) => runPool(jobs, { concurrency: rolloutsMax, signal }, run),
  };
}

interface Asked {
  readonly example: number;
  readonly prompt: Prompt;
  readonly mixture: Mixture;
  readonly signal: AbortSignal;
}

/** An example's prompt as token ids. */
async function encoded(
  { mesh, model, items, callTimeoutMs }: InferenceSearchOptions,
  example: number,
  signal: AbortSignal,
): Promise<Prompt> {
  const request = { model: model.served.name, prompt: promptOf(items[example]!) };
  const { tokenIds } = await mesh.inference.encodeTokens(request, { signal, timeoutMs: callTimeoutMs });
  return { input: { $case: 'tokens', value: { ids: tokenIds } } };
}

async function answer(
  { mesh, model, items, callTimeoutMs }: InferenceSearchOptions,
  { example, prompt, mixture, signal }: Asked,
): Promise<{ readonly text: string | undefined; readonly tokens: number }> {
  const item = items[example]!;
  const request = {
    requestId: '',
    model: model.served.name,
    prompt,
    mixture,
    sampling: Sampling.create({ temperature: 0, ...(item.maxTokens ? { maxTokens: item.maxTokens } : {}) }),
    n: 1,
    priority: Priority.BATCH,
  };
  let [text, tokens, finish] = ['', 0, 0];
  for await (const { event } of mesh.inference.generateTokens(request, {
    signal,
    timeoutMs: callTimeoutMs,
  })) {
    if (event?.$case === 'delta') {
      text += event.value.text;
      tokens += event.value.tokenIds.length;
    } else if (event?.$case === 'end') finish = event.value.finishReason;
  }
  if (finish === 0) throw new ZmeshError('INTERNAL', 'inference ended an answer without saying why');
  const whole = finish === FinishReason.STOP || finish === FinishReason.STOP_STRING;
  return { text: whole ? text : undefined, tokens };
}

async function likelihood(
  { mesh, model, items, callTimeoutMs }: InferenceSearchOptions,
  { example, prompt, mixture, signal }: Asked,
): Promise<number> {
  const item = items[example]!;
  const request = {
    requestId: '',
    model: model.served.name,
    prompt,
    mixture,
    continuations: [{ input: { $case: 'text' as const, value: item.answers[0]! }, endOfTurn: true }],
    logits: LogitsScope.NONE,
    topK: 0,
    priority: Priority.BATCH,
  };
  const { scores } = await mesh.inference.score(request, { signal, timeoutMs: callTimeoutMs });
  const { logLikelihood, tokenIds } = scores[0]!;
  return logLikelihood / Math.max(1, tokenIds.length);
}
