import { scoreOf } from '../statistics/score.js';
import { linePlot } from './line-plot.js';
import { type Picture, stack } from './svg.js';

/** One step or validation of a run, as far as the picture shows it. */
export interface CurvePoint {
  /** Steps done. */
  readonly step: number;
  /** Mean reward of the step's answers, [-1, 1]; undefined for step 0 and for algorithms without rewards. */
  readonly reward?: number | undefined;
  /** Validation score, [0, 1]; undefined where the step was not validated. */
  readonly validation?: number | undefined;
  /** Mean divergence from the base, nats. */
  readonly kl?: number | undefined;
  readonly gradientNorm?: number | undefined;
}

/** A run's curve. */
export interface CurveOptions {
  /** What the picture is called: expert, task, algorithm. */
  readonly title: string;
  readonly points: readonly CurvePoint[];
  /** The step that is kept. */
  readonly bestStep: number | undefined;
}

/**
 * The learning curve of a run: scores of rollouts and validations over the steps with the kept step marked, and, where there is a
 * gradient, its norm and the divergence under it.
 */
export function learningCurve({ title, points, bestStep }: CurveOptions): Picture {
  const of = (key: Exclude<keyof CurvePoint, 'step'>) =>
    points.flatMap((point) => (point[key] === undefined ? [] : [{ x: point.step, y: point[key] }]));
  const last = Math.max(1, ...points.map(({ step }) => step));
  const x = { label: 'step', low: 0, high: last };
  const kept = bestStep === undefined ? '' : `, step ${bestStep} kept`;
  const reward = of('reward').map(({ x: step, y }) => ({ x: step, y: scoreOf(y) }));
  const rewards = linePlot({
    title: `${title}${kept}`,
    x,
    y: { label: 'score', low: 0, high: 1 },
    series: [
      ...(reward.length > 0 ? [{ name: 'rollouts', points: reward, colour: 0 }] : []),
      { name: 'validation, greedy', points: of('validation'), dots: true, colour: 1 },
    ],
    marks: bestStep === undefined ? [] : [bestStep],
  });
  const norm = of('gradientNorm');
  if (norm.length === 0) return { ...rewards, title };
  const kl = of('kl');
  const height = 200;
  const diverges = kl.some(({ y }) => y !== 0);
  return stack(title, [
    rewards,
    linePlot({
      title: 'gradient norm before clipping',
      x,
      y: { label: 'norm', low: 0 },
      series: [{ name: 'norm', points: norm, colour: 2 }],
      height,
    }),
    ...(diverges
      ? [
          linePlot({
            title: 'divergence from the base',
            x,
            y: { label: 'nats an answer', low: 0 },
            series: [{ name: 'KL', points: kl, colour: 3 }],
            height,
          }),
        ]
      : []),
  ]);
}
