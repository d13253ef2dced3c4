import type { Run, RunStep } from '#proto/zmesh/v1/trainer.js';
import { learningCurve } from '#shared/plots/learning-curve.js';
import { renderSvg } from '#shared/plots/theme.js';
import { eventFile, eventFileName } from '#shared/tensorboard/event-file.js';
import { epochMs } from '#shared/timestamp.js';

/** A run's learning curve as an SVG file. */
export function curveSvg(run: Run): string {
  const { spec, curve } = run;
  const points = curve.map(({ step, metrics, validation }) => ({
    step,
    validation,
    reward: metrics.reward,
    kl: metrics.kl,
    gradientNorm: metrics['gradient-norm'],
  }));
  const validated = curve.some(({ validation }) => validation !== undefined);
  const algorithm = spec?.algorithm || 'reinforce';
  const title = `${spec?.model}/${spec?.expert} · ${spec?.task?.name} · ${algorithm}`;
  return renderSvg(
    learningCurve({ title, points, bestStep: validated ? curve.at(-1)?.bestStep : undefined }),
  );
}

/**
 * A run's scalars as a TensorBoard event file: what the algorithm reports under `training/`, validations under `validation/`. Steps are
 * dated by the run's start and the seconds they took.
 */
export function curveEvents(run: Run): { readonly name: string; readonly bytes: Uint8Array } {
  const start = run.startedAt ?? run.createdAt;
  const startMs = start ? epochMs(start) : 0;
  let timeMs = startMs;
  const points = run.curve.map((step) => {
    timeMs += step.seconds * 1000;
    return { step: step.step, timeMs, values: scalars(step) };
  });
  return { name: eventFileName(startMs, run.id), bytes: eventFile(startMs, points) };
}

function scalars({ metrics, validation, tokens, seconds }: RunStep): Record<string, number | undefined> {
  const trained = Object.entries(metrics)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, value]) => [`training/${name}`, value]);
  return {
    ...Object.fromEntries(trained),
    'training/tokens-per-second': seconds > 0 ? Number(tokens) / seconds : undefined,
    'validation/score': validation,
  };
}
