import { barPlot } from '#shared/plots/bar-plot.js';
import { confusionMatrix } from '#shared/plots/confusion.js';
import { heatmap } from '#shared/plots/heatmap.js';
import { linePlot } from '#shared/plots/line-plot.js';
import { type Picture, stack } from '#shared/plots/svg.js';
import { wilson } from '#shared/statistics/wilson.js';
import { chosenRate, type ExpertsFound } from './experts.js';
import type { FinishedRun } from './finished-run.js';
import {
  describeGrid,
  type ExpertsGrid,
  type GridSize,
  type PlannedRun,
  plannedRuns,
  sweepRuns,
} from './grid.js';
import { type EvidencePart, markdownTable, signedInterval, withInterval } from './page.js';
import { TASKS } from './strategies.js';

const NOT_MEASURED = 'not measured';
/** Lines of one picture. */
const LINES_MAX = 8;

/** The training of the demo suite's experts as a part of docs/evidence.md. */
export function expertsPart(found: ExpertsFound, grid: ExpertsGrid, size: GridSize): EvidencePart {
  const tasks = [...new Set(grid.ways.flatMap((way) => way.tasks))].filter((task) =>
    found.runs.some((run) => run.task === task),
  );
  const planned = [...plannedRuns(grid, 'svf'), ...plannedRuns(grid, 'lora')];
  const missing = planned.filter((one) => !runOf(found, one)).length;
  const flag = size === 'full' ? '' : ` --${size}`;
  return {
    name: 'experts',
    markdown: [
      '## Experts trained from scratch: base, SVF and LoRA',
      '',
      `Written by \`npm run evidence -- experts${flag}\`: ${planned.length - missing} of ${planned.length} runs${missing > 0 ? `; ${missing} were not measured before the time was up and are marked so` : ''}. Every run trains on the task's train split, keeps the step that is best on its validation split, and is tested greedily on test questions that neither saw, paired with the base (interval: paired bootstrap, 95 %). SVF is trained by the trainer through the serving mesh. LoRA (W + (α/r)·B·A, α = 2r) exists in this harness alone: the same algorithms, optimiser, batches, seeds, prompts, verifiers, validation rule and test; answers by the same engine from merged dense weights, gradients by the same autodiff. The grid:`,
      '',
      ...describeGrid(grid).map((line) => `- ${line}`),
      '',
      'The sweep, by the best validation share of right answers:',
      '',
      sweepTable(found, grid),
      '',
      'Means over the seeds (range), share of right answers on the test questions:',
      '',
      meansTable(found, grid, tasks),
      '',
      '![Base, SVF and LoRA on the trained tasks](evidence/base-svf-lora.svg)',
      '',
      'Every run:',
      '',
      runsTable(found, planned, grid),
      '',
      ...tasks.flatMap((task) => [`![Validation on ${task}](evidence/training-${task}.svg)`, '']),
      ...heatmapText(found),
      ...labelsText(found),
    ].join('\n'),
    pictures: {
      'base-svf-lora.svg': mainPicture(found, grid, tasks),
      ...Object.fromEntries(tasks.map((task) => [`training-${task}.svg`, validationPicture(found, task)])),
      ...(found.heatmap ? { 'experts-on-tasks.svg': heatmapPicture(found.heatmap) } : {}),
      ...(found.labels?.length ? { 'first-pass.svg': labelsPicture(found.labels) } : {}),
    },
  };
}

const runOf = ({ runs }: ExpertsFound, { way, task, seed }: PlannedRun): FinishedRun | undefined =>
  runs.find((run) => run.way === way.name && run.task === task && run.seed === seed);

function sweepTable(found: ExpertsFound, grid: ExpertsGrid): string {
  const rows = [...sweepRuns(grid, 'svf'), ...sweepRuns(grid, 'lora')].map(({ way, rate }) => {
    const { method, algorithm } = way;
    const run = found.sweep.find(
      (one) => one.method === method && one.algorithm === algorithm && one.rate === rate,
    );
    const chosen = chosenRate(found.sweep, way, grid) === rate ? ', chosen' : '';
    return [
      `${method === 'svf' ? 'SVF' : 'LoRA'}, ${algorithm}`,
      String(rate),
      run ? `${run.bestValidation.toFixed(3)}${chosen}` : NOT_MEASURED,
    ];
  });
  return markdownTable(['method', 'learning rate', `best validation on ${grid.sweep.task}`], rows);
}

function meansTable(found: ExpertsFound, grid: ExpertsGrid, tasks: readonly string[]): string {
  const base = ['base', '0', ...tasks.map((task) => baseOf(found, task)?.toFixed(3) ?? NOT_MEASURED)];
  const rows = grid.ways.map((way) => [
    way.name,
    String(found.runs.find((run) => run.way === way.name)?.parameters ?? ''),
    ...tasks.map((task) => {
      if (!way.tasks.includes(task)) return '';
      const all = testsOf(found, way.name, task);
      if (all.length === 0) return NOT_MEASURED;
      const range = all.length > 1 ? ` (${Math.min(...all).toFixed(3)}–${Math.max(...all).toFixed(3)})` : '';
      return `${meanOf(all).toFixed(3)}${range}`;
    }),
  ]);
  return markdownTable(['way', 'trained numbers', ...tasks], [base, ...rows]);
}

function runsTable(found: ExpertsFound, planned: readonly PlannedRun[], grid: ExpertsGrid): string {
  const order = grid.ways.map(({ name }) => name);
  const sorted = [...planned].sort(
    (a, b) => a.task.localeCompare(b.task) || order.indexOf(a.way.name) - order.indexOf(b.way.name),
  );
  const rows = sorted.map((one) => {
    const head = [`${one.task}, ${one.way.name}`, String(one.seed)];
    const run = runOf(found, one);
    if (!run?.test) return [...head, NOT_MEASURED, '', '', '', '', '', ''];
    const { base, expert, difference, p, passed } = run.test;
    return [
      ...head,
      base.toFixed(3),
      expert.toFixed(3),
      signedInterval(difference),
      p?.toPrecision(2) ?? '',
      passed ? 'passed' : 'failed',
      `${run.bestStep} of ${run.steps}`,
      String(run.tokens),
    ];
  });
  const titles = ['task, way', 'seed', 'base', 'expert', 'difference', 'McNemar p', 'gate', 'kept step'];
  return markdownTable([...titles, 'tokens sampled'], rows);
}

function mainPicture(found: ExpertsFound, grid: ExpertsGrid, tasks: readonly string[]): Picture {
  const main = grid.ways.filter((way) => tasks.every((task) => way.tasks.includes(task)));
  const none = { value: Number.NaN };
  return barPlot({
    title: 'Share of right answers on held-out questions; whiskers: range over seeds',
    y: { label: 'accuracy', low: 0, high: 1 },
    groups: tasks,
    series: [
      { name: 'base', bars: tasks.map((task) => ({ value: baseOf(found, task) ?? Number.NaN })) },
      ...main.map(({ name }) => ({
        name,
        bars: tasks.map((task) => {
          const all = testsOf(found, name, task);
          return all.length === 0
            ? none
            : { value: meanOf(all), low: Math.min(...all), high: Math.max(...all) };
        }),
      })),
    ],
  });
}

function validationPicture({ runs }: ExpertsFound, task: string): Picture {
  const own = runs.filter((run) => run.task === task && run.seed === 0).slice(0, LINES_MAX);
  return linePlot({
    title: `${task}: share of right greedy answers on the validation questions, seed 0`,
    x: { label: 'step', low: 0, high: Math.max(1, ...own.map(({ steps }) => steps)) },
    y: { label: 'accuracy', low: 0, high: 1 },
    series: own.map(({ way, validations }) => ({
      name: way,
      dots: true,
      points: validations.map(({ step, right }) => ({ x: step, y: right })),
    })),
  });
}

function heatmapText({ heatmap: table }: ExpertsFound): string[] {
  if (!table) return ['Each expert on each task: not measured.', ''];
  return [
    'Each expert (first way, first seed) on each task: what it was trained for, what it helps beside, what it harms.',
    '',
    '![Experts on tasks](evidence/experts-on-tasks.svg)',
    '',
  ];
}

function heatmapPicture(table: NonNullable<ExpertsFound['heatmap']>): Picture {
  const columns = Object.keys(table[TASKS[0]!] ?? {});
  return heatmap({
    title: 'Accuracy of each expert on each task',
    rowLabel: 'task',
    columnLabel: 'expert trained for',
    rows: TASKS,
    columns,
    values: TASKS.map((task) => columns.map((column) => table[task]?.[column] ?? Number.NaN)),
    low: 0,
    high: 1,
  });
}

function labelsText({ labels }: ExpertsFound): string[] {
  const [prompt, expert] = labels ?? [];
  if (!prompt || !expert) return ['Pass 1 by the classification expert: not measured.'];
  const share = ({ right, asked }: typeof prompt): string =>
    `${right} of ${asked} labels right, ${withInterval(wilson(right, asked))}`;
  const gain = expert.right / expert.asked - prompt.right / prompt.asked;
  return [
    `Pass 1 on labelled questions that were not trained on: by the plain prompt ${share(prompt)}; by the classification expert trained here (first way, first seed) ${share(expert)}: ${gain < 0 ? '−' : '+'}${Math.abs(gain).toFixed(2)}.`,
    '',
    '![What pass 1 takes for what](evidence/first-pass.svg)',
  ];
}

function labelsPicture(labels: NonNullable<ExpertsFound['labels']>): Picture {
  return stack(
    'pass 1 by the plain prompt and by the classification expert',
    labels.map(({ strategy, confusion }) =>
      confusionMatrix({ title: `by the ${strategy}`, counts: confusion }),
    ),
  );
}

const testsOf = ({ runs }: ExpertsFound, way: string, task: string): number[] =>
  runs.flatMap((run) => (run.way === way && run.task === task && run.test ? [run.test.expert] : []));

const baseOf = ({ runs }: ExpertsFound, task: string): number | undefined =>
  runs.find((run) => run.task === task && run.test)?.test?.base;

const meanOf = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length;
