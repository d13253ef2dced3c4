import { heatmap } from '#shared/plots/heatmap.js';
import { linePlot } from '#shared/plots/line-plot.js';
import { bootstrapMean } from '#shared/statistics/bootstrap.js';
import { comparePaired } from '#shared/statistics/paired.js';
import { wilson } from '#shared/statistics/wilson.js';
import { type EvidencePart, markdownTable, signedInterval, withInterval } from './page.js';
import {
  type Adapted,
  type Answers,
  type StrategiesFound,
  type StrategiesGrid,
  TASKS,
  TRAINED_TASKS,
  UNSEEN_TASKS,
} from './strategies.js';

const EXPERTS = ['math', 'code', 'reasoning'];

/** The comparison of the strategies as a part of docs/evidence.md. */
export function strategiesPart(found: StrategiesFound, grid: StrategiesGrid, quick: boolean): EvidencePart {
  const best = found.fixed.filter(({ task, strategy }) => strategy === found.bestExpert[task]);
  return {
    name: 'strategies',
    markdown: [
      '## The three strategies compared',
      '',
      `Written by \`npm run evidence -- strategies${quick ? ' --quick' : ''}\`: ${grid.questions} test questions a task; few-shot with ${grid.shots.join(', ')} shots drawn ${grid.draws} times from the train split, population ${grid.population}, ${grid.generations} generations${grid.folds > 0 ? `, ${grid.folds} folds` : ''}. "best expert" is chosen by validation questions, never by test ones. Few-shot is the mean over its draws; whole-set intervals are Wilson's.`,
      '',
      accuracyTable(found, best, grid),
      '',
      'Against the base, paired by question (few-shot: each question’s mean over draws), with 95 % intervals:',
      '',
      pairedTable(found, best, grid),
      '',
      '![Accuracy over the number of shots](evidence/shots.svg)',
      '',
      'What the searches chose, α by expert, mean over draws at the most shots (0 where the base was chosen):',
      '',
      '![α by task](evidence/alpha.svg)',
      '',
      'What a search costs:',
      '',
      costTable(found, grid),
    ].join('\n'),
    pictures: { 'shots.svg': shotsPicture(found, grid), 'alpha.svg': alphaPicture(found, grid) },
  };
}

const accuracy = ({ right }: Pick<Answers, 'right'>): number => right.filter(Boolean).length / right.length;
const mean = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length;

function ofShots(found: StrategiesFound, task: string, shots: number, perMatrix = false): Adapted[] {
  return found.adapted.filter(
    (one) => one.task === task && one.shots === shots && one.perMatrix === perMatrix,
  );
}

function columnsOf(found: StrategiesFound, best: readonly Answers[], grid: StrategiesGrid) {
  const fixed = (name: string) => (task: string) =>
    found.fixed.find((one) => one.task === task && one.strategy === name)!.right.map(Number);
  const few = (shots: number, perMatrix: boolean) => (task: string) => {
    const draws = ofShots(found, task, shots, perMatrix);
    return draws[0]!.right.map((_, i) => mean(draws.map(({ right }) => Number(right[i]))));
  };
  return [
    { name: 'none', of: fixed('none') },
    { name: 'prompt', of: fixed('prompt') },
    { name: 'classifier', of: fixed('classifier') },
    { name: 'best expert', of: (task: string) => best.find((one) => one.task === task)!.right.map(Number) },
    { name: 'uniform', of: fixed('uniform') },
    ...grid.shots.map((shots) => ({ name: `${shots}-shot`, of: few(shots, false) })),
    ...grid.perMatrixShots.map((shots) => ({ name: `${shots}-shot, by matrix`, of: few(shots, true) })),
  ];
}

function accuracyTable(found: StrategiesFound, best: readonly Answers[], grid: StrategiesGrid): string {
  const columns = columnsOf(found, best, grid);
  const row = (name: string, tasks: readonly string[]): string[] => [
    name,
    ...columns.map(({ of }) => mean(tasks.map((task) => mean(of(task)))).toFixed(2)),
  ];
  const rows = TASKS.map((task) => [
    task,
    ...columns.map(({ of, name }) => {
      const values = of(task);
      const whole = values.every((value) => value === 0 || value === 1);
      if (!whole || name.includes('shot')) return mean(values).toFixed(2);
      return withInterval(wilson(values.filter(Boolean).length, values.length));
    }),
  ]);
  return markdownTable(
    ['task', ...columns.map(({ name }) => name)],
    [...rows, row('**mean, trained**', TRAINED_TASKS), row('**mean, unseen**', UNSEEN_TASKS)],
  );
}

function pairedTable(found: StrategiesFound, best: readonly Answers[], grid: StrategiesGrid): string {
  const [base, ...columns] = columnsOf(found, best, grid);
  const rows = TASKS.map((task) => {
    const first = base!.of(task);
    return [
      task,
      ...columns.map(({ of }) => {
        const second = of(task);
        if (second.every((value) => value === 0 || value === 1)) {
          const pairs = second.map((value, i) => ({ first: first[i] === 1, second: value === 1 }));
          return signedInterval(comparePaired(pairs).difference);
        }
        const differences = second.map((value, i) => value - first[i]!);
        return signedInterval(bootstrapMean(differences, { seed: 0n }));
      }),
    ];
  });
  return markdownTable(['task', ...columns.map(({ name }) => name)], rows);
}

function shotsPicture(found: StrategiesFound, grid: StrategiesGrid) {
  return linePlot({
    title:
      'Few-shot accuracy over the number of shots (0 = the base), mean over draws, band: lowest to highest draw',
    x: { label: 'shots', low: 0, high: Math.max(...grid.shots) },
    y: { label: 'accuracy', low: 0, high: 1 },
    height: 420,
    series: TASKS.map((task) => {
      const base = accuracy(found.fixed.find((one) => one.task === task && one.strategy === 'none')!);
      const at = grid.shots.map((shots) => ({ x: shots, all: ofShots(found, task, shots).map(accuracy) }));
      return {
        name: task,
        dots: true,
        points: [{ x: 0, y: base }, ...at.map(({ x, all }) => ({ x, y: mean(all) }))],
        band: at.map(({ x, all }) => ({ x, low: Math.min(...all), high: Math.max(...all) })),
      };
    }),
  });
}

function alphaPicture(found: StrategiesFound, grid: StrategiesGrid) {
  const shots = Math.max(...grid.shots);
  const share = ({ arms }: Adapted, expert: string): number => {
    const own = arms.filter((arm) => arm.expert.includes(`/${expert}@`) || arm.expert === expert);
    const total = arms.reduce((sum, { alpha }) => sum + alpha, 0);
    return total > 0 ? own.reduce((sum, { alpha }) => sum + alpha, 0) / total : 0;
  };
  return heatmap({
    title: `Share of each expert in what ${shots} shots chose`,
    rowLabel: 'task',
    columnLabel: 'expert',
    rows: TASKS,
    columns: [...EXPERTS, 'base'],
    values: TASKS.map((task) => {
      const all = ofShots(found, task, shots);
      const experts = EXPERTS.map((expert) => mean(all.map((one) => share(one, expert))));
      return [...experts, 1 - experts.reduce((sum, value) => sum + value, 0)];
    }),
    low: 0,
    high: 1,
  });
}

function costTable(found: StrategiesFound, grid: StrategiesGrid): string {
  const rows = [false, true].flatMap((perMatrix) =>
    (perMatrix ? grid.perMatrixShots : grid.shots).map((shots) => {
      const all = found.adapted.filter((one) => one.shots === shots && one.perMatrix === perMatrix);
      return [
        `${shots}-shot${perMatrix ? ', by matrix' : ''}`,
        mean(all.map(({ generatedTokens }) => generatedTokens)).toFixed(0),
        mean(all.map(({ seconds }) => seconds)).toFixed(1),
      ];
    }),
  );
  return markdownTable(['search', 'tokens generated, mean', 'seconds, mean'], rows);
}
