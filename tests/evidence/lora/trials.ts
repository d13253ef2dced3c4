import { join } from 'node:path';
import { generate } from '#services/inference/generate.js';
import { GradientEngine } from '#services/inference/gradient/engine.js';
import type { GradientTask } from '#services/inference/gradient/task.js';
import type { KlKind } from '#services/inference/graph/gradient.js';
import type { PassOptions } from '#services/inference/pass-options.js';
import { encodePrompt } from '#services/inference/prompt.js';
import { score } from '#services/inference/score.js';
import type { ServedModel } from '#services/inference/served-model.js';
import type { GradientRequest, GradientResult, Trials } from '#services/trainer/algorithms/algorithm.js';
import { createDrafts } from '#services/trainer/drafts.js';
import { inferenceTrials } from '#services/trainer/inference-trials.js';
import { type Multipliers, pack, unpack } from '#services/trainer/layout.js';
import type { TrainableModel, TrainerMesh } from '#services/trainer/mesh.js';
import type { Rewards } from '#services/trainer/rewards.js';
import { promptOf } from '#services/trainer/trials-options.js';
import { type DenseModel, denseWeight, serveDense } from './dense-model.js';
import { type LoraShape, loraLayout, mergeLora } from './shape.js';

/** What one gradient may take: the service's default. */
const GRADIENT_BYTES = 512 << 20;
const PROMPT_BYTES = 1 << 20;

/** Trials of a LoRA in this process. */
export interface LoraTrials extends Trials {
  /** Tokens generated since the last call. */
  takeTokens(): number;
  close(): Promise<void>;
}

/** Options of `loraTrials`. */
export interface LoraTrialsOptions {
  readonly model: DenseModel;
  readonly shape: LoraShape;
  readonly rewards: Rewards;
  /** A folder for merged weights; emptied when the trials are closed. */
  readonly scratch: string;
}

/**
 * The trainer's trials of a model under A and B ("multipliers" of the slots of `loraLayout`): answers by the product's engine,
 * started anew with merged weights whenever they change, gradients by the product's gradient thread. Prompts, sampling and
 * rewards are the trainer's own.
 */
export function loraTrials({ model, shape, rewards, scratch }: LoraTrialsOptions): LoraTrials {
  const serving = servingUnder(model, shape, scratch);
  let tokens = 0;
  const trials = inferenceTrials({
    mesh: meshOf(() => serving.now()),
    drafts: createDrafts(),
    model: { served: { name: model.prepared.name } } as unknown as TrainableModel,
    rewards,
    rolloutsMax: 64,
    gradientSequences: Number.POSITIVE_INFINITY,
    callTimeoutMs: 600_000,
    onTokens: (count) => {
      tokens += count;
    },
  });
  const gradients = gradientEngine(model, shape);
  return {
    ...trials,
    async sample({ multipliers, ...request }, signal) {
      await serving.use(multipliers);
      return trials.sample({ ...request, multipliers: undefined }, signal);
    },
    gradient: (request, signal) => gradientOf({ served: serving.now(), shape, gradients }, request, signal),
    async tokenise(items, answers, signal) {
      // Tokens are the same under all weights.
      if (!serving.started()) await serving.use(undefined);
      return trials.tokenise(items, answers, signal);
    },
    takeTokens() {
      const taken = tokens;
      tokens = 0;
      return taken;
    },
    async close() {
      await serving.close();
      await gradients.drain();
    },
  };
}

/** One engine at a time, under the weights that were asked for last. */
function servingUnder(model: DenseModel, shape: LoraShape, scratch: string) {
  const layout = loraLayout(shape);
  let current: { key: Float64Array | undefined; serving: Awaited<ReturnType<typeof serveDense>> } | undefined;
  let count = 0;
  return {
    started: () => current !== undefined,
    now(): ServedModel {
      if (!current) throw new Error('nothing is served yet');
      return current.serving.served;
    },
    async use(multipliers: Multipliers | undefined): Promise<void> {
      const key = multipliers && pack(layout, multipliers);
      if (current && sameNumbers(current.key, key)) return;
      await current?.serving.close();
      const changed = multipliers
        ? mergedWeights(model, shape, multipliers)
        : new Map<string, Float32Array>();
      count += 1;
      current = { key, serving: await serveDense(model, join(scratch, `merged-${count}`), changed) };
    },
    close: async () => current?.serving.close(),
  };
}

function sameNumbers(one: Float64Array | undefined, other: Float64Array | undefined): boolean {
  if (!one || !other) return one === other;
  return one.every((value, i) => value === other[i]);
}

function mergedWeights(
  model: DenseModel,
  shape: LoraShape,
  multipliers: Multipliers,
): Map<string, Float32Array> {
  return new Map(
    shape.linears.map(({ name, rows, columns }) => {
      const factors = { a: multipliers.get(`${name}.A`)!, b: multipliers.get(`${name}.B`)! };
      return [name, mergeLora(denseWeight(model, name), factors, { ...shape, rows, columns })];
    }),
  );
}

/** The part of the mesh that trials ask: inference's own functions, without a wire. */
function meshOf(served: () => ServedModel): TrainerMesh {
  const pass = (call?: { readonly signal?: AbortSignal }): PassOptions => ({
    // One of its own for each call: dozens listen to the pool's.
    signal: AbortSignal.any(call?.signal ? [call.signal] : []),
    deadline: undefined,
    ageMs: 0,
    promptBytesMax: PROMPT_BYTES,
  });
  const inference = {
    generateTokens: (request: Parameters<typeof generate>[1], call?: { readonly signal?: AbortSignal }) =>
      generate(served(), request, pass(call)),
    score: (request: Parameters<typeof score>[1], call?: { readonly signal?: AbortSignal }) =>
      score(served(), request, pass(call)),
  };
  return { inference } as unknown as TrainerMesh;
}

function gradientEngine({ folder, prepared }: DenseModel, shape: LoraShape): GradientEngine {
  const options = {
    folder,
    model: prepared,
    threads: 1,
    // The base is B = 0, whatever A is.
    base: new Float32Array(loraLayout(shape).size),
    lora: shape,
  };
  return new GradientEngine({
    runtime: {
      module: new URL('./gradient-runtime.js', import.meta.url).href,
      create: 'createLoraGradient',
      options,
    },
    memoryBytes: GRADIENT_BYTES,
    queueMax: 1,
    busy: () => false,
  });
}

async function gradientOf(
  made: { readonly served: ServedModel; readonly shape: LoraShape; readonly gradients: GradientEngine },
  { answers, multipliers, klDirection }: GradientRequest,
  signal: AbortSignal,
): Promise<GradientResult> {
  const layout = loraLayout(made.shape);
  const withKl = answers.some(({ klWeight }) => klWeight !== 0);
  const direction: KlKind =
    klDirection === 'policy-to-reference' ? 'policy_to_reference' : 'reference_to_policy';
  const sequences = answers.map(({ item, tokenIds, weight, klWeight }) => ({
    prompt: encodePrompt(made.served, promptOf(item), PROMPT_BYTES).ids,
    answer: Int32Array.from(tokenIds),
    spectrum: 0,
    logProbSeed: -weight,
    klSeed: klWeight,
  }));
  const spectra = [Float32Array.from(pack(layout, multipliers))];
  const task: GradientTask = { kl: withKl ? direction : 'none', sequences, spectra };
  const { outcome } = await made.gradients.compute(task, 'batch', signal);
  const sum = (values: Float32Array): number => values.reduce((total, value) => total + value, 0);
  const logProbs = outcome.logProbs.map(sum);
  return {
    policyLoss: logProbs.reduce((total, logProb, i) => total - answers[i]!.weight * logProb, 0),
    logProbs,
    kls: outcome.kl?.map(sum) ?? answers.map(() => 0),
    gradient: unpack(layout, outcome.gradients[0]!),
  };
}
