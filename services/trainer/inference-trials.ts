import { FinishReason, type Mixture, Priority, Sampling } from '#proto/zmesh/v1/common.js';
import { LogitsScope } from '#proto/zmesh/v1/inference.js';
import { ZmeshError } from '#shared/errors.js';
import { askPatiently } from '#shared/patience.js';
import { runPool } from '#shared/pool.js';
import type { CallOptions } from '#shared/rpc/client.js';
import type { NormalisationName } from '#shared/svf/model.js';
import type { TaskItem } from '#shared/tasks/task.js';
import type { GradientRequest, Rollout, SampleRequest, Trials } from './algorithms/algorithm.js';
import { gradientOf } from './inference-gradient.js';
import type { Multipliers } from './layout.js';
import { type InferenceTrialsOptions, OVERRUNS, promptOf } from './trials-options.js';

/** Trials by RPCs of inference, as batch work. Throws what inference does; a full queue is waited for. */
export function inferenceTrials(options: InferenceTrialsOptions): Trials {
  const tokenised = new Map<string, readonly number[]>();
  return {
    sample: (request, signal) => sample(options, request, signal),
    reward: (items, rollouts, signal) => options.rewards.of(items, rollouts, signal),
    gradient: (request: GradientRequest, signal) => gradientOf(options, request, signal),
    tokenise: (items, answers, signal) => tokenise(options, tokenised, { items, answers, signal }),
  };
}

/** Runs `work` under the arms that stand for multipliers (undefined = the base). */
export async function underMultipliers<T>(
  { drafts, model }: Pick<InferenceTrialsOptions, 'drafts' | 'model'>,
  expert: { readonly multipliers: Multipliers; readonly normalisation: NormalisationName } | undefined,
  work: (mixture: Mixture | undefined) => Promise<T>,
): Promise<T> {
  if (!expert) return work(undefined);
  const { name, basisId } = model.served;
  const arm = drafts.add({ model: name, basisId }, expert);
  try {
    return await work({ arms: [{ expert: arm, alpha: 1, alphaPerMatrix: {} }] });
  } finally {
    drafts.forget(arm);
  }
}

async function sample(
  options: InferenceTrialsOptions,
  request: SampleRequest,
  signal: AbortSignal,
): Promise<readonly (readonly Rollout[])[]> {
  const { items, multipliers, normalisation } = request;
  const rollouts: (readonly Rollout[])[] = new Array(items.length);
  const expert = multipliers && { multipliers, normalisation };
  await underMultipliers(options, expert, (mixture) =>
    runPool([...items.keys()], { concurrency: options.rolloutsMax, signal }, async (index, stopped) => {
      const item = items[index]!;
      rollouts[index] = await askPatiently(
        `question ${item.id}`,
        { signal: stopped, overruns: OVERRUNS },
        () => answersTo(options, { item, mixture, seed: request.seeds[index]!, request, signal: stopped }),
      );
    }),
  );
  return rollouts;
}

async function answersTo(
  { mesh, model, callTimeoutMs, onTokens }: InferenceTrialsOptions,
  asked: {
    readonly item: TaskItem;
    readonly mixture: Mixture | undefined;
    readonly seed: bigint;
    readonly request: SampleRequest;
    readonly signal: AbortSignal;
  },
): Promise<Rollout[]> {
  const { item, mixture, seed, request, signal } = asked;
  const { temperature, topP, samples: n } = request;
  const sampling = Sampling.create({
    temperature,
    topP,
    seed,
    ...(item.maxTokens === undefined ? {} : { maxTokens: item.maxTokens }),
  });
  const answers = Array.from({ length: n }, () => ({ tokenIds: [] as number[], text: '', end: 0 }));
  const call: CallOptions = { signal, timeoutMs: callTimeoutMs };
  const stream = mesh.inference.generateTokens(
    {
      requestId: '',
      model: model.served.name,
      prompt: promptOf(item),
      mixture,
      sampling,
      n,
      priority: Priority.BATCH,
    },
    call,
  );
  for await (const { event } of stream) {
    if (event?.$case === 'delta') {
      const answer = answers[event.value.answer]!;
      answer.tokenIds.push(...event.value.tokenIds);
      answer.text += event.value.text;
    } else if (event?.$case === 'end') answers[event.value.answer]!.end = event.value.finishReason;
  }
  return answers.map(({ tokenIds, text, end }) => {
    onTokens?.(tokenIds.length);
    return { tokenIds, text, finish: finishOf(end) };
  });
}

function finishOf(reason: number): Rollout['finish'] {
  if (reason === FinishReason.STOP) return 'end';
  if (reason === FinishReason.STOP_STRING) return 'stop';
  if (reason === FinishReason.LENGTH || reason === FinishReason.CONTEXT) return 'length';
  throw new ZmeshError('INTERNAL', 'inference ended an answer without saying why');
}

/** Inference owns the tokenizer: scoring an answer tells its tokens. */
async function tokenise(
  { mesh, model, rolloutsMax, callTimeoutMs }: InferenceTrialsOptions,
  known: Map<string, readonly number[]>,
  asked: {
    readonly items: readonly TaskItem[];
    readonly answers: readonly string[];
    readonly signal: AbortSignal;
  },
): Promise<readonly (readonly number[])[]> {
  const { items, answers, signal } = asked;
  const missing = [...new Set(answers)].filter((answer) => !known.has(answer));
  const first = items[0];
  if (first) {
    await runPool(missing, { concurrency: rolloutsMax, signal }, async (text, stopped) => {
      const request = {
        requestId: '',
        model: model.served.name,
        prompt: promptOf(first),
        mixture: undefined,
        continuations: [{ input: { $case: 'text' as const, value: text }, endOfTurn: true }],
        logits: LogitsScope.NONE,
        topK: 0,
        priority: Priority.BATCH,
      };
      const { scores } = await askPatiently(
        'a reference answer',
        { signal: stopped, overruns: OVERRUNS },
        () => mesh.inference.score(request, { signal: stopped, timeoutMs: callTimeoutMs }),
      );
      known.set(text, scores[0]?.tokenIds ?? []);
    });
  }
  return answers.map((answer) => known.get(answer)!);
}
