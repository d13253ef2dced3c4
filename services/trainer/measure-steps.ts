import type { Attributes } from '@opentelemetry/api';
import type { RunStep } from '#proto/zmesh/v1/trainer.js';
import { DOUBLING_SECONDS_BUCKETS } from '#shared/telemetry/buckets.js';
import { counter, histogram, observeLevel } from '#shared/telemetry/instruments.js';
import { GEN_AI, ZMESH } from '#shared/telemetry/semconv.js';

/** What metrics tell runs apart by: few values, since a process shows every one that it ever had. */
export interface MeasuredRun {
  readonly model: string;
  readonly algorithm: string;
}

/** Hears of the steps of the runs that this process works on. */
export interface RunMeter {
  /** A step was done. */
  stepped(run: MeasuredRun, step: RunStep): void;
  /** A validation was made, as a share of right answers. */
  validated(run: MeasuredRun, right: number): void;
  /** Shows the last levels to whoever collects metrics. Call the result to stop. */
  observe(): () => void;
}

const steps = counter({
  name: 'zmesh.training.steps',
  unit: '{step}',
  description: 'Training steps that were done here',
});
const tokens = counter({
  name: 'zmesh.training.tokens',
  unit: '{token}',
  description: 'Tokens that training steps sampled, validation left out',
});
const duration = histogram({
  name: 'zmesh.training.step.duration',
  unit: 's',
  description: 'One training step: rollouts, rewards, gradient, update',
  buckets: DOUBLING_SECONDS_BUCKETS,
});

/** Levels of the last step, by the scalar that they show (see METRICS). */
const LEVELS = {
  reward: { name: 'zmesh.training.reward', unit: '1', description: 'Mean reward of the last step, [-1, 1]' },
  kl: { name: 'zmesh.training.kl', unit: '1', description: 'Mean KL to the base of the last step, nats' },
  'gradient-norm': {
    name: 'zmesh.training.gradient.norm',
    unit: '1',
    description: 'Norm of the last gradient before clipping',
  },
  validation: {
    name: 'zmesh.training.validation',
    unit: '1',
    description: 'Share of right answers in the last validation, [0, 1]',
  },
} as const;

type Level = keyof typeof LEVELS;

/** A meter that has heard of nothing yet. */
export function createRunMeter(): RunMeter {
  const levels = new Map<string, { readonly attributes: Attributes; readonly values: Map<Level, number> }>();
  const valuesOf = (run: MeasuredRun): Map<Level, number> => {
    const key = `${run.model} ${run.algorithm}`;
    const known = levels.get(key) ?? { attributes: attributesOf(run), values: new Map<Level, number>() };
    levels.set(key, known);
    return known.values;
  };
  return {
    stepped(run, step) {
      const attributes = attributesOf(run);
      steps.add(1, attributes);
      tokens.add(Number(step.tokens), attributes);
      duration.record(step.seconds, attributes);
      const values = valuesOf(run);
      for (const level of ['reward', 'kl', 'gradient-norm'] as const) {
        const value = step.metrics[level];
        if (value !== undefined) values.set(level, value);
      }
    },
    validated: (run, right) => void valuesOf(run).set('validation', right),
    observe() {
      const stops = (Object.keys(LEVELS) as Level[]).map((level) =>
        observeLevel(LEVELS[level], () =>
          [...levels.values()].flatMap(({ attributes, values }) => {
            const value = values.get(level);
            return value === undefined ? [] : [{ value, attributes }];
          }),
        ),
      );
      return () => {
        for (const stop of stops) stop();
      };
    },
  };
}

function attributesOf({ model, algorithm }: MeasuredRun): Attributes {
  return { [GEN_AI.REQUEST_MODEL]: model, [ZMESH.ALGORITHM]: algorithm };
}
