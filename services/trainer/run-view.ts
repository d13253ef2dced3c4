import type { JobFailure, JobState } from '#proto/zmesh/v1/adaptation.js';
import type { JobRecord } from '#proto/zmesh/v1/jobs.js';
import { type Run, RunEvent, RunStep } from '#proto/zmesh/v1/trainer.js';
import type { ZmeshError } from '#shared/errors.js';
import { timestamp } from '#shared/timestamp.js';
import type { StepReport } from './algorithms/algorithm.js';
import { isOver } from './jobs/job.js';
import type { ReadEvent } from './jobs/watch.js';
import { type RunState, runSettings } from './loop.js';

/** A record's run. */
export function runOf({ view }: JobRecord): Run {
  if (view?.$case !== 'run') throw new Error('the job is no training run');
  return view.value;
}

/** A run as its record shows it: the state is the record's. */
export function shownRun(record: JobRecord): Run {
  const { state, attempts, trainer } = record;
  return { ...runOf(record), state, attempts, trainer };
}

/** A view of a run in a new state, and its event. */
export function runChange(
  run: Run,
  step?: RunStep,
): {
  readonly view: NonNullable<JobRecord['view']>;
  readonly event: (sequence: bigint) => Uint8Array;
} {
  const time = timestamp(new Date());
  return {
    view: { $case: 'run', value: run },
    event: (sequence) => RunEvent.encode({ sequence, time, run, step }).finish(),
  };
}

/** What is saved of a run that ended without saving its end. */
export function runEnd(
  record: JobRecord,
  { state, error }: { readonly state: JobState; readonly error?: ZmeshError },
) {
  const failure: JobFailure | undefined = error && { reason: error.reason, message: error.message };
  const finishedAt = isOver(state) ? timestamp(new Date()) : undefined;
  return runChange({ ...shownRun(record), state, failure, finishedAt });
}

/** A published event. */
export function readRunEvent(bytes: Uint8Array): ReadEvent<RunEvent> {
  const event = RunEvent.decode(bytes);
  return { event, sequence: event.sequence, last: event.run !== undefined && isOver(event.run.state) };
}

/** The last event of a run, as its record tells it. */
export function runEventOf(record: JobRecord): ReadEvent<RunEvent> {
  const run = shownRun(record);
  const event = { sequence: record.events, time: run.finishedAt, run, step: undefined };
  return { event, sequence: record.events, last: true };
}

/** A step of the curve. */
export function curveStep(
  state: RunState,
  report: StepReport,
  cost: { readonly tokens: number; readonly seconds: number },
): RunStep {
  const { metrics } = report;
  return RunStep.create({
    step: report.step,
    steps: runSettings(state.training).steps,
    reward: metrics.reward ?? 0,
    kl: metrics.kl ?? 0,
    loss: metrics.loss ?? 0,
    gradientNorm: metrics['gradient-norm'] ?? 0,
    learningRate: metrics['learning-rate'] ?? 0,
    answers: report.rollouts.length,
    tokens: BigInt(cost.tokens),
    seconds: cost.seconds,
    metrics: { ...metrics },
    ...bestOf(state),
  });
}

/** A curve with the last validation of a run in the step it belongs to (step 0 is one of its own). */
export function withValidation(curve: readonly RunStep[], state: RunState): RunStep[] {
  const found = state.validations.at(-1)!;
  const last = curve.at(-1);
  const validated = { validation: found.right, ...bestOf(state) };
  if (last?.step === found.step) return [...curve.slice(0, -1), { ...last, ...validated }];
  const { steps } = runSettings(state.training);
  return [...curve, RunStep.create({ step: found.step, steps, ...validated })];
}

function bestOf({ best, validations }: RunState): Pick<RunStep, 'bestStep' | 'bestValidation'> {
  const right = validations.find(({ step }) => step === best?.step)?.right ?? 0;
  return { bestStep: best?.step ?? 0, bestValidation: right };
}
