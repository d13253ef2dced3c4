import { Run } from '#proto/zmesh/v1/trainer.js';
import { linePlot } from '#shared/plots/line-plot.js';
import { REAL_MODEL } from './mesh.js';
import { type EvidencePart, markdownTable, signedInterval } from './page.js';
import { REAL_CONFIGS, REAL_TASK, type RealRun } from './real.js';

/** The real model's training as a part of docs/evidence.md. */
export function realPart(runs: readonly RealRun[], trial: boolean): EvidencePart {
  return {
    name: 'real',
    markdown: [
      '## A real model',
      '',
      `Written by \`npm run evidence -- real${trial ? ' --steps N' : ''}\`: ${REAL_MODEL} on ${REAL_TASK}, sums and differences of two two-digit numbers in a sentence (tests/evidence/word-problems.ts), 600 questions to train on, 96 to select by, 300 held out. The configurations were written down before they ran (tests/evidence/real.ts).${trial ? ' **This edition is a trial of the harness with fewer steps, not a result.**' : ''}`,
      '',
      table(runs),
      '',
      ...unfinished(runs),
      'Any number at all in the answer: an expert that only learnt the format would gain there and nowhere else.',
      '',
      '![Learning curves](evidence/real-curves.svg)',
    ].join('\n'),
    pictures: { 'real-curves.svg': picture(runs) },
  };
}

/** The configurations that this edition lacks, said in words. */
function unfinished(runs: readonly RealRun[]): string[] {
  const missing = REAL_CONFIGS.filter(({ name }) => !runs.some(({ config }) => config === name));
  return missing.length === 0
    ? []
    : [`**Not measured yet**: ${missing.map(({ name }) => name).join(', ')}; the same command goes on.`, ''];
}

const share = (values: readonly boolean[]): string =>
  (values.filter(Boolean).length / Math.max(1, values.length)).toFixed(3);

function table(runs: readonly RealRun[]): string {
  const rows = runs.map(({ config, run, seconds, answers }) => {
    const { gates, curve, gate } = Run.fromJSON(run);
    const [own] = gates;
    const last = curve.at(-1);
    const trained = curve.filter(({ answers: count }) => count > 0);
    const tokens = trained.reduce((sum, step) => sum + Number(step.tokens), 0);
    const stepSeconds = trained.reduce((sum, step) => sum + step.seconds, 0);
    return [
      config,
      `${last?.bestStep ?? 0} of ${last?.steps ?? 0}`,
      own ? own.base.toFixed(3) : '',
      own ? own.expert.toFixed(3) : '',
      own ? signedInterval({ estimate: own.difference, low: own.low, high: own.high }) : '',
      gate === 1 ? 'passed' : gate === 2 ? 'failed' : '',
      `${share(answers.map(({ base }) => base.number))} → ${share(answers.map(({ expert }) => expert.number))}`,
      (tokens / Math.max(1, stepSeconds)).toFixed(0),
      (stepSeconds / Math.max(1, trained.length)).toFixed(1),
      (seconds / 60).toFixed(0),
    ];
  });
  return markdownTable(
    [
      'configuration',
      'kept step',
      'base',
      'expert',
      'difference, 95 %',
      'gate',
      'any number',
      'tokens/s',
      's a step',
      'minutes',
    ],
    rows,
  );
}

function picture(runs: readonly RealRun[]) {
  const curves = runs.map(({ config, run }) => ({ config, curve: Run.fromJSON(run).curve }));
  return linePlot({
    title: `${REAL_MODEL}, ${REAL_TASK}: validation (dots), rollouts (dashed)`,
    x: { label: 'step', low: 0, high: Math.max(1, ...curves.map(({ curve }) => curve.at(-1)?.steps ?? 1)) },
    y: { label: 'score', low: 0 },
    height: 420,
    series: curves.flatMap(({ config, curve }, colour) => [
      {
        name: `${config}, validation`,
        dots: true,
        colour,
        points: curve.flatMap(({ step, validation }) =>
          validation === undefined ? [] : [{ x: step, y: validation }],
        ),
      },
      {
        name: `${config}, rollouts`,
        dashed: true,
        colour,
        points: curve
          .filter(({ answers }) => answers > 0)
          .map(({ step, reward }) => ({ x: step, y: (1 + reward) / 2 })),
      },
    ]),
  });
}
