import { JobState } from '#proto/zmesh/v1/adaptation.js';
import { Priority } from '#proto/zmesh/v1/common.js';
import { Run, RunSpec } from '#proto/zmesh/v1/trainer.js';
import { evaluate } from '#services/cli/eval/evaluate.js';
import type { Outcome } from '#services/cli/eval/result.js';
import { encodeTaskItems } from '#shared/tasks/encode.js';
import type { TaskItem } from '#shared/tasks/task.js';
import type { TrainingConfig } from './grid.js';
import { type EvidenceMesh, REAL_MODEL } from './mesh.js';
import type { Steps } from './steps.js';
import { wordProblems } from './word-problems.js';

/** Name of its task. */
export const REAL_TASK = 'word-problems';

/**
 * Written down on 2026-11-24, before any of them ran. The first two follow the gradient at two rates around the one of the first
 * look in PyTorch (0.008, 48 answers a step, batch mean); the third needs no gradient. It was written down as one that moves a scale a
 * matrix, but its settings never said so: it moves the default's, eight bands a matrix, and is named after what it does since.
 */
export const REAL_CONFIGS: readonly TrainingConfig[] = [
  {
    name: 'reinforce 0.008',
    algorithm: 'reinforce',
    preset: 'default',
    seeds: [0],
    settings: { steps: '60', prompts: '12', samples: '4', 'learning-rate': '0.008' },
  },
  {
    name: 'reinforce 0.02',
    algorithm: 'reinforce',
    preset: 'default',
    seeds: [0],
    settings: { steps: '60', prompts: '12', samples: '4', 'learning-rate': '0.02' },
  },
  {
    name: 'sep-CMA-ES by band',
    algorithm: 'sep-cma-es',
    preset: 'default',
    seeds: [0],
    settings: { steps: '60', prompts: '8' },
  },
].map((config) => ({
  ...config,
  settings: { ...config.settings, 'validate-every': '10', 'validation-items': '96' },
}));

/** What came of one configuration. */
export interface RealRun {
  readonly config: string;
  readonly run: unknown;
  readonly seconds: number;
  /** Held-out answers of base and expert, for what changed in them. */
  readonly answers: readonly { readonly id: string; readonly base: Answered; readonly expert: Answered }[];
}

interface Answered {
  readonly right: boolean;
  /** True if the answer holds any number at all: what only learns the format would gain here alone. */
  readonly number: boolean;
  readonly tokens: number;
}

/**
 * Trains the real model in every configuration; `steps` overrides their length, for a trial of the harness. `tell` hears of all
 * that is done after each one.
 */
export async function measureReal(
  mesh: EvidenceMesh,
  kept: Steps,
  options: {
    readonly steps: number | undefined;
    readonly signal: AbortSignal;
    tell(runs: readonly RealRun[]): void;
  },
): Promise<void> {
  const { steps, signal, tell } = options;
  const data = wordProblems({ train: 600, validation: 96, test: 300 });
  const runs: RealRun[] = [];
  for (const config of REAL_CONFIGS) {
    const settings = { ...config.settings, ...(steps === undefined ? {} : { steps: String(steps) }) };
    const name = `real-${config.name}-${settings.steps}`.toLowerCase().replaceAll(/[^a-z0-9._-]+/g, '-');
    runs.push(
      await kept.once(name, () => trainReal(mesh, { name, config: { ...config, settings }, data, signal })),
    );
    tell(runs);
  }
}

async function trainReal(
  mesh: EvidenceMesh,
  asked: {
    readonly name: string;
    readonly config: TrainingConfig;
    readonly data: ReturnType<typeof wordProblems>;
    readonly signal: AbortSignal;
  },
): Promise<RealRun> {
  const { name, config, data, signal } = asked;
  const bytes = (items: readonly TaskItem[]): Uint8Array => Buffer.from(encodeTaskItems(items), 'utf8');
  const spec = RunSpec.create({
    model: REAL_MODEL,
    expert: name,
    task: {
      name: REAL_TASK,
      train: bytes(data.train),
      validation: bytes(data.validation),
      test: bytes(data.test),
    },
    algorithm: config.algorithm,
    preset: config.preset,
    settings: { ...config.settings },
    gate: { itemsMin: 300, others: [], harmMargin: undefined, skip: false },
    alias: 'evidence',
  });
  const startMs = performance.now();
  const { run } = await mesh.trainer.startRun({ requestId: `evidence-${name}`, spec }, { signal });
  // The same request gives the same run: one that an earlier call left failed goes on from its last step.
  if (run!.state === JobState.FAILED) await mesh.trainer.resumeRun({ id: run!.id }, { signal });
  let last: Run | undefined;
  for await (const { event } of mesh.trainer.watchRun({ id: run!.id, afterSequence: 0n }, { signal })) {
    last = event?.run ?? last;
    const step = event?.step;
    if (step)
      process.stderr.write(
        `      ${name} ${step.step}/${step.steps} reward ${step.reward.toFixed(3)} validation ${step.validation?.toFixed(3) ?? ''} ${step.seconds.toFixed(1)} s\n`,
      );
  }
  if (last?.state !== JobState.SUCCEEDED)
    throw new Error(`${name}: ${last?.failure?.message ?? 'it did not end'}`);
  const { run: whole } = await mesh.trainer.getRun({ id: run!.id }, { signal });
  return {
    config: config.name,
    run: Run.toJSON(whole!),
    seconds: (performance.now() - startMs) / 1000,
    answers: await answersOf(mesh, whole!.expert, data.test, signal),
  };
}

async function answersOf(
  mesh: EvidenceMesh,
  expert: string,
  items: readonly TaskItem[],
  signal: AbortSignal,
): Promise<RealRun['answers']> {
  const { cells } = await evaluate({
    client: mesh.dispatcher,
    model: REAL_MODEL,
    tasks: [{ name: REAL_TASK, items }],
    strategies: [
      { name: 'base', strategy: { kind: { $case: 'none', value: {} } } },
      { name: 'expert', strategy: { kind: { $case: 'expert', value: { expert } } } },
    ],
    concurrency: 32,
    priority: Priority.BATCH,
    signal,
  });
  const answered = ({ right, text, tokens }: Outcome): Answered => ({
    right,
    number: /\d/.test(text),
    tokens,
  });
  const [base, adapted] = cells;
  return items.map(({ id }, i) => ({
    id,
    base: answered(base!.outcomes[i]!),
    expert: answered(adapted!.outcomes[i]!),
  }));
}
