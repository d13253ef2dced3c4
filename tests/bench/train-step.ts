/**
 * One REINFORCE step, rollouts, gradient and update, through inference's RPCs and in PyTorch (transformers' `generate` with its
 * KV cache, autograd, AdamW; train-step.py) on the same model, questions and multipliers: `npm run bench -- train-step
 * [python] [threads]`.
 * Needs a Python with torch and transformers. PyTorch runs at the best of the thread settings and of the batches, of rollouts and of gradients
 * each; both sides use the same cores, in turns. The learning rate is 0 and rewards alternate, so that every step asks for the same work. Run on an idle machine.
 */
import { execFileSync, fork, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { InferenceServiceService } from '#proto/zmesh/v1/inference.js';
import { loadSigma } from '#services/inference/model/load.js';
import { prepareModel } from '#services/inference/model/prepare.js';
import { preparedFolder } from '#services/inference/model/prepared-files.js';
import type { Trials } from '#services/trainer/algorithms/algorithm.js';
import { reinforce } from '#services/trainer/algorithms/reinforce.js';
import { createDrafts } from '#services/trainer/drafts.js';
import { inferenceTrials } from '#services/trainer/inference-trials.js';
import type { TrainableModel, TrainerMesh } from '#services/trainer/mesh.js';
import { readSettings } from '#services/trainer/settings.js';
import { projectRoot } from '#shared/paths.js';
import { connect } from '#shared/rpc/client.js';
import { writeVectors } from '#shared/svf/vectors.js';
import { loadTasks } from '#shared/tasks/load.js';
import { messagesOf } from '#shared/tasks/messages.js';

const PROMPTS = 24;
const SAMPLES = 4;
const STEPS = 5;
const ROUNDS = 3;

/** Seconds of one step. */
interface Step {
  readonly rolloutSeconds: number;
  readonly gradientSeconds: number;
  /** Tokens of the answers. */
  readonly tokens: number;
}

const python = process.argv[2] ?? 'python3';
const checkpoint = join(projectRoot, 'models/octo-nano');
/** Most threads of either side. */
const cores = Number(process.argv[3] ?? availableParallelism());
const home = await mkdtemp(join(tmpdir(), 'zmesh-bench-'));
const folder = preparedFolder(home, 'octo-nano');
const prepared = await prepareModel({
  checkpoint,
  name: 'octo-nano',
  target: folder,
  adapt: 'mlp',
  replace: true,
  onEvent: () => {},
});
const matrices = [...(await loadSigma(folder, prepared))].map(([name, sigma]) => ({ name, sigma }));
const settings = readSettings(reinforce, { 'learning-rate': '0', prompts: String(PROMPTS) });
const state = reinforce.begin(matrices, settings, 1n);
const multipliers = join(home, 'multipliers.safetensors');
await writeFile(multipliers, writeVectors(reinforce.multipliers(state)));
const items = (await loadTasks(join(checkpoint, 'tasks/arithmetic'), 'train'))[0]!.items.slice(0, PROMPTS);

const versions =
  'import torch, transformers; print("PyTorch", torch.__version__, "transformers", transformers.__version__)';
console.log(
  `${cores} cores, Node ${process.version}, ${execFileSync(python, ['-c', versions]).toString().trim()}`,
);
const best = await bestSetting();
const ours: Step[] = [];
const theirs: Step[] = [];
for (let round = 0; round < ROUNDS; round++) {
  ours.push(...(await zmesh()).slice(1));
  theirs.push(...(await pytorch(best.threads, Array(STEPS).fill(best.batches))).slice(1));
}
report('zmesh', ours);
report('PyTorch', theirs);
const ratio = (of: (step: Step) => number): string =>
  (median(theirs.map(of)) / median(ours.map(of))).toFixed(2);
console.log(
  `PyTorch's time over ours: step ${ratio(total)}, rollouts ${ratio((s) => s.rolloutSeconds)}, gradient and update ${ratio((s) => s.gradientSeconds)}; ` +
    `for each token of an answer ${ratio((s) => total(s) / s.tokens)}`,
);
await rm(home, { recursive: true });

/** Steps through a process of the inference service; the first one warms it up. */
async function zmesh(): Promise<Step[]> {
  const child = fork(join(projectRoot, 'dist/services/inference/main.js'), [], {
    env: {
      ...process.env,
      ZMESH_HOME: home,
      ZMESH_INFERENCE_MODELS: 'octo-nano',
      ZMESH_INFERENCE_THREADS: String(cores),
      ZMESH_INFERENCE_GRADIENT_THREADS: String(cores),
      ZMESH_LOG_LEVEL: 'error',
    },
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  const [ready] = (await once(child, 'message')) as [{ address?: string; message?: string }];
  if (ready.address === undefined) throw new Error(ready.message);
  const raw = connect(InferenceServiceService, {
    address: ready.address,
    unavailable: 'INFERENCE_UNAVAILABLE',
  });
  const [served] = (await raw.listServedModels({})).models;
  const drafts = createDrafts();
  // The bench asks one replica and no registry.
  const mesh = { inference: drafts.loading(raw) } as unknown as TrainerMesh;
  const model = { served, matrices } as unknown as TrainableModel;
  const rewards = { of: async () => items.map(() => [1, -1, 1, -1]), close: () => {} };
  const trials = inferenceTrials({
    mesh,
    drafts,
    model,
    rewards,
    rolloutsMax: 64,
    gradientSequences: PROMPTS * SAMPLES,
    callTimeoutMs: 600_000,
  });
  const steps: Step[] = [];
  for (let i = 0; i < STEPS; i++) steps.push(await zmeshStep(trials, i));
  raw.close();
  const exit = once(child, 'exit');
  child.kill('SIGTERM');
  await exit;
  return steps;
}

async function zmeshStep(trials: Trials, index: number): Promise<Step> {
  const started = performance.now();
  let sampled = started;
  let tokens = 0;
  const timed: Trials = {
    ...trials,
    async sample(request, signal) {
      const rollouts = await trials.sample(request, signal);
      sampled = performance.now();
      tokens = rollouts.flat().reduce((sum, { tokenIds }) => sum + tokenIds.length, 0);
      return rollouts;
    },
  };
  await reinforce.step({ ...state, step: index }, items, timed, AbortSignal.timeout(600_000));
  const done = performance.now();
  return { rolloutSeconds: (sampled - started) / 1000, gradientSeconds: (done - sampled) / 1000, tokens };
}

/** How PyTorch's side cuts its work. */
interface Batches {
  /** Questions of one `generate`. */
  readonly prompts: number;
  /** Answers of one backward pass. */
  readonly answers: number;
}

/** PyTorch's fastest threads, and with them its fastest batches of rollouts and of gradients, which do not touch each other. */
async function bestSetting(): Promise<{ readonly threads: number; readonly batches: Batches }> {
  const tried: Batches[] = [
    { prompts: PROMPTS, answers: PROMPTS * SAMPLES },
    { prompts: PROMPTS / 2, answers: 32 },
    { prompts: PROMPTS / 4, answers: 16 },
    { prompts: 1, answers: 8 },
  ];
  let best = { seconds: Number.POSITIVE_INFINITY, threads: 1, batches: tried[0]! };
  for (let threads = 1; threads <= cores; threads++) {
    const steps = (await pytorch(threads, [tried[0]!, ...tried, ...tried])).slice(1);
    const timed = tried.map((batches, i) => {
      const both = [steps[i]!, steps[i + tried.length]!];
      return {
        batches,
        rollouts: median(both.map((step) => step.rolloutSeconds)),
        gradient: median(both.map((step) => step.gradientSeconds)),
      };
    });
    for (const { batches, rollouts, gradient } of timed)
      console.log(
        `PyTorch, ${threads} threads: rollouts of ${batches.prompts} questions at once ${rollouts.toFixed(2)} s, ` +
          `gradient batches of ${batches.answers} ${gradient.toFixed(2)} s`,
      );
    const sampling = timed.reduce((a, b) => (b.rollouts < a.rollouts ? b : a));
    const learning = timed.reduce((a, b) => (b.gradient < a.gradient ? b : a));
    const seconds = sampling.rollouts + learning.gradient;
    const batches = { prompts: sampling.batches.prompts, answers: learning.batches.answers };
    if (seconds < best.seconds) best = { seconds, threads, batches };
  }
  const { threads, batches } = best;
  console.log(
    `PyTorch's best: ${threads} threads, ${batches.prompts} questions and ${batches.answers} answers at once`,
  );
  return best;
}

/** Steps in a PyTorch process of its own, each with its batches; the first one warms it up. */
async function pytorch(threads: number, batches: readonly Batches[]): Promise<Step[]> {
  const child = spawn(python, [join(projectRoot, 'tests/bench/train-step.py')], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  child.stdin.end(
    JSON.stringify({
      threads,
      batches,
      seed: 1,
      model: checkpoint,
      multipliers,
      learningRate: 0,
      samples: SAMPLES,
      maxTokens: items[0]!.maxTokens,
      prompts: items.map(messagesOf),
    }),
  );
  const lines: Buffer[] = [];
  child.stdout.on('data', (chunk: Buffer) => lines.push(chunk));
  const [code] = await once(child, 'close');
  if (code !== 0) throw new Error(`train-step.py ended with ${code}`);
  return Buffer.concat(lines)
    .toString()
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Step);
}

function report(who: string, steps: readonly Step[]): void {
  const of = (part: (step: Step) => number): string => median(steps.map(part)).toFixed(2);
  console.log(
    `${who}: ${of(total)} s a step of ${PROMPTS} × ${SAMPLES} answers: rollouts ${of((s) => s.rolloutSeconds)} s, gradient and update ` +
      `${of((s) => s.gradientSeconds)} s; ${median(steps.map((s) => s.tokens))} tokens (medians of ${steps.length})`,
  );
}

function total({ rolloutSeconds, gradientSeconds }: Step): number {
  return rolloutSeconds + gradientSeconds;
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}
