import { Run } from '#proto/zmesh/v1/trainer.js';
import { heatmap } from '#shared/plots/heatmap.js';
import { linePlot } from '#shared/plots/line-plot.js';
import { type ExpertsFound, type ExpertsGrid, TRAINED, type TrainedRun } from './experts.js';
import { type EvidencePart, markdownTable, signedInterval } from './page.js';
import { TASKS } from './strategies.js';

/** The training of the demo suite's experts as a part of docs/evidence.md. */
export function expertsPart(found: ExpertsFound, grid: ExpertsGrid, quick: boolean): EvidencePart {
  const tasks = TRAINED.map(({ task }) => task).filter((task) => found.runs.some((run) => run.task === task));
  return {
    name: 'experts',
    markdown: [
      '## Experts trained from scratch',
      '',
      `Written by \`npm run evidence -- experts${quick ? ' --quick' : ''}\`. Every run trains on the task's train split, keeps the step that is best on its validation split, and is tested greedily on ${grid.questions} test questions that neither saw, paired with the base (interval: paired bootstrap, 95 %). Seeds: ${grid.configs.map(({ name, seeds }) => `${name} ${seeds.join(', ')}`).join('; ')}.`,
      '',
      runsTable(found),
      '',
      ...tasks.flatMap((task) => [`![Validation on ${task}](evidence/training-${task}.svg)`, '']),
      'Each expert (first way, first seed) on each task: what it was trained for, what it helps beside, what it harms.',
      '',
      '![Experts on tasks](evidence/experts-on-tasks.svg)',
    ].join('\n'),
    pictures: {
      ...Object.fromEntries(tasks.map((task) => [`training-${task}.svg`, validationPicture(found, task)])),
      'experts-on-tasks.svg': heatmapPicture(found),
    },
  };
}

const runOf = ({ run }: TrainedRun): Run => Run.fromJSON(run);

function runsTable({ runs }: ExpertsFound): string {
  const rows = runs.map((trained) => {
    const { gates, curve, gate } = runOf(trained);
    const [own] = gates;
    const last = curve.at(-1);
    const tokens = curve.reduce((sum, step) => sum + Number(step.tokens), 0);
    return [
      `${trained.task}, ${trained.config}`,
      String(trained.seed),
      own ? own.base.toFixed(3) : '',
      own ? own.expert.toFixed(3) : '',
      own ? signedInterval({ estimate: own.difference, low: own.low, high: own.high }) : '',
      own && !Number.isNaN(own.p) ? own.p.toPrecision(2) : '',
      gate === 1 ? 'passed' : gate === 2 ? 'failed' : '',
      `${last?.bestStep ?? 0} of ${last?.steps ?? 0}`,
      String(tokens),
      trained.seconds.toFixed(0),
    ];
  });
  return markdownTable(
    [
      'task, way',
      'seed',
      'base',
      'expert',
      'difference',
      'McNemar p',
      'gate',
      'kept step',
      'tokens sampled',
      'seconds',
    ],
    rows,
  );
}

function validationPicture({ runs }: ExpertsFound, task: string) {
  const own = runs.filter((run) => run.task === task);
  return linePlot({
    title: `${task}: share of right greedy answers on the validation questions`,
    x: { label: 'step', low: 0, high: Math.max(1, ...own.map((run) => runOf(run).curve.at(-1)?.steps ?? 1)) },
    y: { label: 'accuracy', low: 0, high: 1 },
    series: own.slice(0, 8).map((run) => ({
      name: `${run.config}, seed ${run.seed}`,
      dots: true,
      points: runOf(run).curve.flatMap(({ step, validation }) =>
        validation === undefined ? [] : [{ x: step, y: validation }],
      ),
    })),
  });
}

function heatmapPicture({ heatmap: table }: ExpertsFound) {
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
