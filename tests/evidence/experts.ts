import { join } from 'node:path';
import { Priority } from '#proto/zmesh/v1/common.js';
import { evaluate } from '#services/cli/eval/evaluate.js';
import { evaluateLabels, type LabelResult } from '#services/cli/eval/labels.js';
import { preparedFolder } from '#services/inference/model/prepared-files.js';
import type { FinishedRun } from './finished-run.js';
import { type ExpertsGrid, plannedRuns, sweepRuns, type TrainingWay } from './grid.js';
import { type DenseModel, openDenseModel } from './lora/dense-model.js';
import { finishedLora } from './lora/finished.js';
import { type EvidenceMesh, evidenceHome, testTasks } from './mesh.js';
import { runQuestions } from './questions.js';
import type { Steps } from './steps.js';
import { TASKS } from './strategies.js';
import { trainSvf } from './svf-run.js';

/** A run of a sweep and its rate. */
export interface SweptRun {
  readonly method: TrainingWay['method'];
  readonly algorithm: string;
  readonly rate: number;
  readonly bestValidation: number;
}

/** What was measured; what was not before the time was up is missing. */
export interface ExpertsFound {
  readonly sweep: readonly SweptRun[];
  readonly runs: readonly FinishedRun[];
  /** Accuracy of the first way's experts (first seed) on each task, by task and expert; `base` too. */
  readonly heatmap: Readonly<Record<string, Readonly<Record<string, number>>>> | undefined;
  /** Pass 1 by the plain prompt and by the expert trained here. */
  readonly labels: readonly LabelResult[] | undefined;
}

/** How many measurements a grid takes. */
export function expertsSteps(grid: ExpertsGrid): number {
  const of = (method: TrainingWay['method']): number =>
    plannedRuns(grid, method).length + sweepRuns(grid, method).length;
  return of('svf') + of('lora') + 2;
}

/** Questions at once: few, so that none waits past its deadline on a machine that others use too. */
const CONCURRENCY = 8;

/** What measurements are made with. */
interface Bench {
  readonly mesh: EvidenceMesh;
  readonly grid: ExpertsGrid;
  readonly steps: Steps;
  readonly dense: DenseModel;
  readonly signal: AbortSignal;
}

/**
 * Trains the demo suite's experts from scratch in every way of the grid: SVF by the mesh's trainer, LoRA beside it in this
 * process, each method's sweep first. Then tries the first way's experts on every task, and pass 1 by its classifier.
 */
export async function measureExperts(
  mesh: EvidenceMesh,
  grid: ExpertsGrid,
  steps: Steps,
  signal: AbortSignal,
): Promise<ExpertsFound> {
  const dense = await openDenseModel(
    preparedFolder(evidenceHome(), 'octo-nano'),
    join(evidenceHome(), 'lora'),
  );
  const bench = { mesh, grid, steps, dense, signal };
  const [svf, lora] = await Promise.all([lane(bench, 'svf'), lane(bench, 'lora')]);
  const runs = [...svf.runs, ...lora.runs];
  const order = grid.ways.map(({ name }) => name);
  runs.sort((a, b) => order.indexOf(a.way) - order.indexOf(b.way));
  const first = runs.filter(({ way, seed }) => way === grid.ways[0]!.name && seed === grid.ways[0]!.seeds[0]);
  return {
    sweep: [...svf.sweep, ...lora.sweep],
    runs,
    ...(await beyondTheirTasks(bench, first)),
  };
}

/** Short, hence measured even where the time is up; nothing of runs that are missing. */
async function beyondTheirTasks(
  bench: Bench,
  first: readonly FinishedRun[],
): Promise<Pick<ExpertsFound, 'heatmap' | 'labels'>> {
  const { grid, steps } = bench;
  if (first.length < grid.ways[0]!.tasks.length) return { heatmap: undefined, labels: undefined };
  return {
    heatmap: await steps.tried('heatmap', () => everyOnEvery(bench, first)),
    labels: await steps.tried('labels', () => firstPasses(bench, first)),
  };
}

/** One method's sweep, then its runs. */
async function lane(
  bench: Bench,
  method: TrainingWay['method'],
): Promise<{ sweep: SweptRun[]; runs: FinishedRun[] }> {
  const { grid, steps } = bench;
  const sweep: SweptRun[] = [];
  for (const { way, rate } of sweepRuns(grid, method)) {
    const { algorithm } = way;
    const run = await steps.ifTime(`sweep ${method} ${algorithm} ${rate}`, () =>
      train(bench, { way, task: grid.sweep.task, seed: 0, rate, test: false }),
    );
    if (run) sweep.push({ method, algorithm, rate, bestValidation: run.bestValidation });
  }
  const runs: FinishedRun[] = [];
  for (const { way, task, seed } of plannedRuns(grid, method)) {
    const rate = way.swept ? chosenRate(sweep, way, grid) : undefined;
    if (way.swept && rate === undefined) continue;
    const run = await steps.ifTime(`train ${way.name} ${task} ${seed}`, () =>
      train(bench, { way, task, seed, rate, test: true }),
    );
    if (run) runs.push(run);
  }
  return { sweep, runs };
}

/** The rate whose best step was best on the validation questions, the smaller of equal ones; undefined before all were tried. */
export function chosenRate(
  sweep: readonly SweptRun[],
  { method, algorithm }: Pick<TrainingWay, 'method' | 'algorithm'>,
  grid: Pick<ExpertsGrid, 'sweep'>,
): number | undefined {
  const own = sweep.filter((run) => run.method === method && run.algorithm === algorithm);
  if (own.length < grid.sweep[method].length) return undefined;
  const best = Math.max(...own.map(({ bestValidation }) => bestValidation));
  return Math.min(...own.filter(({ bestValidation }) => bestValidation === best).map(({ rate }) => rate));
}

async function train(
  { mesh, grid, dense, signal }: Bench,
  asked: {
    readonly way: TrainingWay;
    readonly task: string;
    readonly seed: number;
    readonly rate: number | undefined;
    readonly test: boolean;
  },
): Promise<FinishedRun> {
  const questions = await runQuestions(asked.task, grid.questions);
  if (asked.way.method === 'lora') return finishedLora({ ...asked, dense, questions, signal });
  return trainSvf({ ...asked, mesh, config: dense.prepared.config, questions, signal });
}

const expertStrategy = (expert: string) => ({ kind: { $case: 'expert' as const, value: { expert } } });

async function everyOnEvery(
  { mesh, grid, signal }: Bench,
  first: readonly FinishedRun[],
): Promise<Record<string, Record<string, number>>> {
  const own = first.filter(({ task }) => task !== 'classification');
  const result = await evaluate({
    client: mesh.dispatcher,
    model: 'octo-nano',
    tasks: await testTasks(TASKS, grid.heatmapQuestions),
    strategies: [
      { name: 'base', strategy: { kind: { $case: 'none', value: {} } } },
      ...own.map(({ task, expert }) => ({ name: task, strategy: expertStrategy(expert!) })),
    ],
    concurrency: CONCURRENCY,
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

/** Pass 1 alone on the labelled test questions, none of which is trained on: by the plain prompt, by the classifier trained here. */
async function firstPasses(
  { mesh, grid, signal }: Bench,
  first: readonly FinishedRun[],
): Promise<LabelResult[]> {
  const classifier = first.find(({ task }) => task === 'classification');
  if (!classifier?.expert) return [];
  const items = (await runQuestions('classification', grid.questions)).test;
  const ways = [
    {
      name: 'plain prompt',
      strategy: { kind: { $case: 'prompt' as const, value: { firstPass: undefined } } },
    },
    {
      name: 'classification expert',
      strategy: {
        kind: { $case: 'classifier' as const, value: { firstPass: undefined, expert: classifier.expert } },
      },
    },
  ];
  const results: LabelResult[] = [];
  for (const strategy of ways)
    results.push(
      await evaluateLabels({
        client: mesh.dispatcher,
        model: 'octo-nano',
        task: { name: 'classification', items },
        strategy,
        concurrency: CONCURRENCY,
        priority: Priority.BATCH,
        signal,
      }),
    );
  return results;
}
