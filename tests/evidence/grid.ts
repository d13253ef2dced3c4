import type { LoraTargets } from './lora/shape.js';

/** A way of training, as a table names it. */
export interface TrainingConfig {
  readonly name: string;
  readonly algorithm: string;
  readonly preset: string;
  /** Settings of the algorithm by flag. */
  readonly settings: Readonly<Record<string, string>>;
  /** Seeds; more than one gives the spread. */
  readonly seeds: readonly number[];
}

/** A row of the grid. LoRA always has the default preset. */
export interface TrainingWay extends TrainingConfig {
  readonly method: 'svf' | 'lora';
  /** True: its learning rate is the one that the sweep of its method and algorithm chose. */
  readonly swept: boolean;
  /** SVF: `mlp`, `attention` or `all`. */
  readonly matrices: 'mlp' | 'attention' | 'all';
  /** LoRA's rank and places. */
  readonly lora: { readonly rank: number; readonly targets: LoraTargets };
  readonly tasks: readonly string[];
}

/** Learning rates that are tried on one task; each method has as many tries as the other. */
export interface Sweep {
  readonly task: string;
  readonly svf: readonly number[];
  readonly lora: readonly number[];
}

/** What is measured. */
export interface ExpertsGrid {
  readonly ways: readonly TrainingWay[];
  readonly sweep: Sweep;
  /** Held-out questions of the test. */
  readonly questions: number;
  /** Questions a task of the heatmap. */
  readonly heatmapQuestions: number;
}

/** Sizes of the grid: at most 15 minutes, at most 3 hours on two cores. */
export type GridSize = 'quick' | 'full';

const ALL = ['arithmetic', 'list-program', 'ordering', 'classification'];
const DEFAULT_LORA = { rank: 16, targets: 'q,v' } as const;

/** The grid of a size. */
export function expertsGrid(size: GridSize): ExpertsGrid {
  if (size === 'quick')
    return {
      questions: 300,
      heatmapQuestions: 50,
      sweep: { task: 'ordering', svf: [0.05, 0.1], lora: [0.003, 0.01] },
      ways: [
        svf('SVF', { steps: 20 }),
        lora('LoRA r16 q,v', { steps: 20 }, { tasks: ['arithmetic', 'ordering'] }),
        svf('SVF, sep-CMA-ES', { steps: 5 }, { algorithm: 'sep-cma-es', swept: false, tasks: ['ordering'] }),
      ],
    };
  const steps = 20;
  const few = ['ordering', 'list-program'];
  // Some labelled questions have no known answer to imitate.
  const tasks = ALL.filter((task) => task !== 'classification');
  const imitation = { algorithm: 'next-token', seeds: [0, 1, 2], tasks };
  return {
    questions: 300,
    heatmapQuestions: 100,
    sweep: { task: 'ordering', svf: [0.02, 0.05, 0.1], lora: [0.001, 0.003, 0.01] },
    ways: [
      svf('SVF', { steps }, { seeds: [0, 1, 2] }),
      lora('LoRA r16 q,v', { steps }, { seeds: [0, 1, 2] }),
      // LoRA still rises at its last step where SVF has long ended: is it the steps?
      lora('LoRA r16 q,v, 60 steps', { steps: 60 }, { tasks: ['arithmetic', 'list-program'] }),
      svf('SVF, next-token', { steps }, imitation),
      lora('LoRA r16 q,v, next-token', { steps }, imitation),
      // The answer with the steps before it; the others imitate the first known answer, the bare one.
      svf('SVF, next-token, worked answers', { steps, ...WORKED }, { ...imitation, ...WORKED_RUNS }),
      lora(
        'LoRA r16 q,v, next-token, worked answers',
        { steps, ...WORKED },
        { ...imitation, ...WORKED_RUNS },
      ),
      svf('SVF of attention', { steps }, { matrices: 'attention', tasks: few }),
      svf('SVF of all', { steps }, { matrices: 'all', tasks: few }),
      svf('SVF with KL 0.1', { steps, 'kl-coefficient': 0.1 }, { tasks: few }),
      svf('SVF without normalisation', { steps, ...UNNORMALISED }, { swept: false, tasks: few }),
      svf('SVF, sep-CMA-ES', { steps: 5 }, { algorithm: 'sep-cma-es', swept: false, tasks: few }),
      svf(
        'SVF, official preset',
        { steps, prompts: 96, 'validate-every': 10, 'validation-items': 150 },
        { preset: 'official', swept: false, tasks: few },
      ),
      lora('LoRA r1 q,v', { steps }, { lora: { rank: 1, targets: 'q,v' }, tasks: few }),
      lora('LoRA r4 q,v', { steps }, { lora: { rank: 4, targets: 'q,v' }, tasks: few }),
      lora('LoRA r1 MLP', { steps }, { lora: { rank: 1, targets: 'mlp' }, tasks: few }),
      lora('LoRA r16 MLP', { steps }, { lora: { rank: 16, targets: 'mlp' }, tasks: few }),
      lora(
        'LoRA r1 q,v, next-token',
        { steps },
        { lora: { rank: 1, targets: 'q,v' }, algorithm: 'next-token', tasks: few },
      ),
      lora(
        'LoRA r16 MLP, next-token',
        { steps },
        { lora: { rank: 16, targets: 'mlp' }, algorithm: 'next-token', tasks: few },
      ),
    ],
  };
}

/** Multipliers themselves from 1 on, and no scale after mixing. */
const UNNORMALISED = {
  normalisation: 'none',
  parameterisation: 'direct',
  'init-mean': '1',
  'learning-rate': 0.02,
};

/** Imitation of the longest known answer, on the tasks that have one with steps. */
const WORKED = { target: 'longest' };
const WORKED_RUNS = { seeds: [0], tasks: ['arithmetic', 'list-program'] };

type Changes = Partial<Omit<TrainingWay, 'name' | 'method' | 'settings'>>;
type Given = Readonly<Record<string, string | number>>;

const svf = (name: string, settings: Given, changes: Changes = {}): TrainingWay =>
  way(name, 'svf', settings, changes);

const lora = (name: string, settings: Given, changes: Changes = {}): TrainingWay =>
  way(name, 'lora', settings, changes);

function way(name: string, method: 'svf' | 'lora', settings: Given, changes: Changes): TrainingWay {
  const common = { 'validation-items': 150, 'validate-every': 5, ...settings };
  return {
    name,
    method,
    algorithm: 'reinforce',
    preset: 'default',
    settings: Object.fromEntries(Object.entries(common).map(([flag, value]) => [flag, String(value)])),
    swept: true,
    matrices: 'mlp',
    lora: DEFAULT_LORA,
    tasks: ALL,
    seeds: [0],
    ...changes,
  };
}

/** A run of the grid: a row's one task and seed. */
export interface PlannedRun {
  readonly way: TrainingWay;
  readonly task: string;
  readonly seed: number;
}

/** All runs of a method but its sweeps: first seeds first, so that an early end leaves every row something. */
export function plannedRuns({ ways }: ExpertsGrid, method: TrainingWay['method']): PlannedRun[] {
  return ways
    .filter((own) => own.method === method)
    .flatMap((way) => way.seeds.map((seed, round) => ({ way, seed, round })))
    .sort((a, b) => a.round - b.round)
    .flatMap(({ way, seed }) => way.tasks.map((task) => ({ way, task, seed })));
}

/** A sweep's run: the first way of the method that trains by this algorithm, with one of the rates. */
export interface SweepRun {
  readonly way: TrainingWay;
  readonly rate: number;
}

/** The sweep's runs of a method: every algorithm whose ways take a swept rate, at every rate. */
export function sweepRuns({ ways, sweep }: ExpertsGrid, method: TrainingWay['method']): SweepRun[] {
  const swept = ways.filter((own) => own.method === method && own.swept);
  const firsts = swept.filter(
    (own, i) => swept.findIndex(({ algorithm }) => algorithm === own.algorithm) === i,
  );
  return firsts.flatMap((way) => sweep[method].map((rate) => ({ way, rate })));
}

/** The grid in words, as it is printed before anything runs and in the report. */
export function describeGrid(grid: ExpertsGrid): string[] {
  const { ways, sweep, questions } = grid;
  const rates = (method: 'svf' | 'lora'): string =>
    `${sweep[method].join(', ')} (${sweepRuns(grid, method).length} runs)`;
  return [
    `sweep of the learning rate on ${sweep.task}, chosen by validation and reused everywhere: SVF ${rates('svf')}, LoRA ${rates('lora')}`,
    ...ways.map(
      ({ name, tasks, seeds, settings }) =>
        `${name}: ${tasks.join(', ')}; seeds ${seeds.join(', ')}; ${settings.steps} steps`,
    ),
    `${questions} held-out questions a run`,
  ];
}
