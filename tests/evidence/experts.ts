import { JobState } from '#proto/zmesh/v1/adaptation.js';
import { Priority } from '#proto/zmesh/v1/common.js';
import { ExpertKind } from '#proto/zmesh/v1/expert_registry.js';
import { Run, RunSpec } from '#proto/zmesh/v1/trainer.js';
import { evaluate } from '#services/cli/eval/evaluate.js';
import { encodeTaskItems } from '#shared/tasks/encode.js';
import { heldOut } from '#shared/tasks/held-out.js';
import type { TaskItem } from '#shared/tasks/task.js';
import { type EvidenceMesh, questionsOf, testTasks } from './mesh.js';
import type { Steps } from './steps.js';
import { TASKS } from './strategies.js';

/** A way of training, as the table names it. */
export interface TrainingConfig {
  readonly name: string;
  readonly algorithm: string;
  readonly preset: string;
  readonly settings: Readonly<Record<string, string>>;
  /** Seeds; more than one gives the spread. */
  readonly seeds: readonly number[];
  /** Only these tasks. Default all trained ones. */
  readonly tasks?: readonly string[];
}

/** What is measured. */
export interface ExpertsGrid {
  readonly configs: readonly TrainingConfig[];
  /** Held-out questions of the gate. */
  readonly questions: number;
  /** Questions a task of the heatmap. */
  readonly heatmapQuestions: number;
}

/** Tasks that experts are trained for, and the expert's name and label. */
export const TRAINED: readonly {
  readonly task: string;
  readonly expert: string;
  readonly kind: ExpertKind;
}[] = [
  { task: 'arithmetic', expert: 'math', kind: ExpertKind.TASK },
  { task: 'list-program', expert: 'code', kind: ExpertKind.TASK },
  { task: 'ordering', expert: 'reasoning', kind: ExpertKind.TASK },
  { task: 'classification', expert: 'classifier', kind: ExpertKind.CLASSIFIER },
];

/** One run as it ended; as JSON, so that it can be kept. */
export interface TrainedRun {
  readonly config: string;
  readonly task: string;
  readonly seed: number;
  readonly run: unknown;
  readonly seconds: number;
}

/** Everything that was measured. */
export interface ExpertsFound {
  readonly runs: readonly TrainedRun[];
  /** Accuracy of the first config's experts (first seed) on each task, by task and expert; `base` too. */
  readonly heatmap: Readonly<Record<string, Readonly<Record<string, number>>>>;
}

/** How many measurements a grid takes. */
export function expertsSteps({ configs }: ExpertsGrid): number {
  return configs.reduce((sum, { seeds, tasks }) => sum + seeds.length * (tasks ?? TRAINED).length, 0) + 1;
}

/** Trains the demo suite's experts from scratch in every way of the grid, and tries the first way's on every task. */
export async function measureExperts(
  mesh: EvidenceMesh,
  grid: ExpertsGrid,
  steps: Steps,
  signal: AbortSignal,
): Promise<ExpertsFound> {
  const runs: TrainedRun[] = [];
  for (const config of grid.configs) {
    for (const { task, expert, kind } of TRAINED) {
      if (config.tasks && !config.tasks.includes(task)) continue;
      for (const seed of config.seeds) {
        const name = `${expert}-${config.name}-${seed}`.toLowerCase().replaceAll(/[^a-z0-9._-]+/g, '-');
        runs.push(
          await steps.once(`train ${name}`, () =>
            trainOne(mesh, { config, task, name, kind, seed, questions: grid.questions, signal }),
          ),
        );
      }
    }
  }
  const heatmap = await steps.once('heatmap', () => everyOnEvery(mesh, runs, grid, signal));
  return { runs, heatmap };
}

async function trainOne(
  mesh: EvidenceMesh,
  asked: {
    readonly config: TrainingConfig;
    readonly task: string;
    readonly name: string;
    readonly kind: ExpertKind;
    readonly seed: number;
    readonly questions: number;
    readonly signal: AbortSignal;
  },
): Promise<TrainedRun> {
  const { config, task, name, kind, seed, questions, signal } = asked;
  const bytes = (items: readonly TaskItem[]): Uint8Array => Buffer.from(encodeTaskItems(items), 'utf8');
  const train = await questionsOf(task, 'train');
  const validation = await questionsOf(task, 'val');
  // Two splits of the labelled questions share some prompts.
  const test = heldOut(await questionsOf(task, 'test'), [...train, ...validation]).slice(0, questions);
  const spec = RunSpec.create({
    model: 'octo-nano',
    expert: name,
    task: {
      name: task,
      train: bytes(train),
      validation: bytes(validation),
      test: bytes(test),
    },
    algorithm: config.algorithm,
    preset: config.preset,
    settings: { ...config.settings },
    kind,
    seed: BigInt(seed),
    gate: { itemsMin: Math.min(300, test.length), others: [], harmMargin: undefined, skip: false },
    alias: 'evidence',
  });
  const startMs = performance.now();
  const { run } = await mesh.trainer.startRun({ requestId: `evidence-${name}`, spec }, { signal });
  let last: Run | undefined;
  for await (const { event } of mesh.trainer.watchRun({ id: run!.id, afterSequence: 0n }, { signal }))
    last = event?.run ?? last;
  if (last?.state !== JobState.SUCCEEDED)
    throw new Error(`${name}: ${last?.failure?.message ?? 'it did not end'}`);
  const { run: whole } = await mesh.trainer.getRun({ id: run!.id }, { signal });
  return {
    config: config.name,
    task,
    seed,
    run: Run.toJSON(whole!),
    seconds: (performance.now() - startMs) / 1000,
  };
}

async function everyOnEvery(
  mesh: EvidenceMesh,
  runs: readonly TrainedRun[],
  grid: ExpertsGrid,
  signal: AbortSignal,
): Promise<Record<string, Record<string, number>>> {
  const [first] = grid.configs;
  const own = runs.filter(
    ({ config, seed, task }) =>
      config === first?.name && seed === first.seeds[0] && task !== 'classification',
  );
  const result = await evaluate({
    client: mesh.dispatcher,
    model: 'octo-nano',
    tasks: await testTasks(TASKS, grid.heatmapQuestions),
    strategies: [
      { name: 'base', strategy: { kind: { $case: 'none', value: {} } } },
      ...own.map(({ task, run }) => ({
        name: task,
        strategy: { kind: { $case: 'expert' as const, value: { expert: Run.fromJSON(run).expert } } },
      })),
    ],
    concurrency: 32,
    priority: Priority.BATCH,
    signal,
  });
  const table: Record<string, Record<string, number>> = {};
  for (const { task, strategy, outcomes } of result.cells) {
    const right = outcomes.filter((outcome) => outcome.right).length / outcomes.length;
    table[task] = { ...table[task], [strategy]: right };
  }
  return table;
}
