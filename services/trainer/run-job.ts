import { RunCheckpoint, RunRollouts } from '#proto/zmesh/v1/jobs.js';
import {
  type ListRolloutsResponse,
  type Run,
  RunPhase,
  RunSpec,
  type RunStep,
} from '#proto/zmesh/v1/trainer.js';
import { ZmeshError } from '#shared/errors.js';
import { sha256Hex } from '#shared/ids.js';
import type { TaskItem } from '#shared/tasks/task.js';
import { withSpan } from '#shared/telemetry/spans.js';
import { timestamp } from '#shared/timestamp.js';
import type { RolloutRecord, Trials } from './algorithms/algorithm.js';
import { algorithmNamed } from './algorithms/registry.js';
import type { JobClaim } from './jobs/claim.js';
import { checkFormat, JOB_FORMAT, keyText } from './jobs/job.js';
import type { JobWork } from './jobs/worker.js';
import { afterStep, afterValidation, beginRun, nextAction, type RunState } from './loop.js';
import type { MeasuredRun, RunMeter } from './measure-steps.js';
import type { TrainableModel } from './mesh.js';
import { chooseRun } from './presets.js';
import { type RunData, readRunData } from './run-data.js';
import { decodeRun, encodeRun } from './run-file.js';
import { publishRun } from './run-publish.js';
import { testRun } from './run-test.js';
import { curveStep, runChange, runEnd, shownRun, withValidation } from './run-view.js';
import { validate, validationItems } from './validation.js';

/** What a run is worked on with. */
export interface RunWorkshop {
  /** The model and trials of it, to be closed. `onTokens` hears of every finished answer. */
  open(
    run: RunSpec,
    data: RunData,
    options: { readonly onTokens: (tokens: number) => void; readonly signal: AbortSignal },
  ): Promise<{ readonly model: TrainableModel; readonly trials: Trials; close(): void }>;
  /** Publishes what a run made; see `publishRun`. */
  readonly registry: Parameters<typeof publishRun>[0]['registry'];
  readonly dataBytesMax: number;
  /** Hears of steps, for metrics. */
  readonly meter: RunMeter;
}

/** A run at work. */
export interface RunAtWork {
  readonly claim: JobClaim;
  readonly spec: RunSpec;
  readonly data: RunData;
  readonly model: TrainableModel;
  readonly trials: Trials;
  readonly meter: RunMeter;
  readonly signal: AbortSignal;
}

/** State and curve: what a checkpoint holds. */
export interface RunProgress {
  readonly state: RunState;
  readonly curve: readonly RunStep[];
}

/** Training runs as jobs: train and validate step by step, test on held-out questions, publish; saved after every step. */
export function runWork(workshop: RunWorkshop): JobWork {
  return {
    end: runEnd,
    async work(claim, signal) {
      const spec = RunSpec.decode(await claim.input());
      const data = readRunData(spec, workshop.dataBytesMax);
      const cost = { tokens: 0 };
      const onTokens = (tokens: number): void => {
        cost.tokens += tokens;
      };
      const { model, trials, close } = await workshop.open(spec, data, { onTokens, signal });
      try {
        checkFingerprint(shownRun(claim.record), model);
        const run = { claim, spec, data, model, trials, meter: workshop.meter, signal };
        const trained = await train(run, await resume(run), cost);
        const tested = await testRun(run, trained);
        await publishRun({ run, progress: trained, tested, registry: workshop.registry });
      } finally {
        close();
      }
    },
  };
}

/** A model that was replaced under its name while the run waited is another one: its parameters would mean something else. */
function checkFingerprint({ modelFingerprint }: Run, { served }: TrainableModel): void {
  if (modelFingerprint === served.fingerprint) return;
  const message = `the run began on ${served.name} with the fingerprint ${modelFingerprint}, served is ${served.fingerprint}`;
  throw new ZmeshError('BASIS_MISMATCH', message, { limit: modelFingerprint, value: served.fingerprint });
}

/** Where a run goes on: its checkpoint, or its beginning. */
async function resume({ claim, spec, model }: RunAtWork): Promise<RunProgress> {
  const bytes = await claim.checkpoint();
  if (bytes) {
    const { format, state, curve } = RunCheckpoint.decode(bytes);
    checkFormat(`the checkpoint of ${keyText(claim.key)}`, format);
    return { state: decodeRun(state), curve };
  }
  const { algorithm, settings } = chooseRun(spec);
  const state = beginRun(algorithm.begin(model.matrices, settings, spec.seed));
  const startedAt = timestamp(new Date());
  const run = { ...shownRun(claim.record), phase: RunPhase.TRAINING, startedAt };
  await claim.save(runChange(run));
  return { state, curve: [] };
}

async function train(run: RunAtWork, from: RunProgress, cost: { tokens: number }): Promise<RunProgress> {
  const { data, claim } = run;
  let progress = from;
  for (;;) {
    run.signal.throwIfAborted();
    const action = nextAction(progress.state, data.train.length);
    if (action.kind === 'finish') return progress;
    cost.tokens = 0;
    const name = action.kind === 'validate' ? 'validate' : `step ${progress.state.training.step + 1}`;
    progress = await withSpan(name, {}, () =>
      action.kind === 'validate'
        ? validated(run, progress)
        : stepped(
            run,
            progress,
            action.batch.map((index) => data.train[index]!),
            cost,
          ),
    );
    const checkpoint = RunCheckpoint.encode({
      format: JOB_FORMAT,
      state: encodeRun(progress.state),
      curve: [...progress.curve],
    }).finish();
    await claim.save({ ...runChange(shownRun(claim.record), progress.curve.at(-1)), checkpoint });
    measure(run, action.kind, progress);
  }
}

/** Tells the meter what is saved: a step of a trainer that lost its claim counts nowhere. */
function measure({ meter, spec, model }: RunAtWork, kind: 'validate' | 'train', progress: RunProgress): void {
  const measured = measuredRun(spec, model);
  if (kind === 'train') meter.stepped(measured, progress.curve.at(-1)!);
  else meter.validated(measured, progress.state.validations.at(-1)!.right);
}

function measuredRun(spec: RunSpec, { served }: TrainableModel): MeasuredRun {
  return { model: served.name, algorithm: chooseRun(spec).algorithm.name };
}

async function validated({ data, trials, signal }: RunAtWork, progress: RunProgress): Promise<RunProgress> {
  const { training } = progress.state;
  const multipliers = algorithmNamed(training.algorithm).multipliers(training);
  const items = validationItems(training, data.validation);
  const found = await validate(training, multipliers, items, trials, signal);
  const state = afterValidation(progress.state, found, multipliers);
  return { state, curve: withValidation(progress.curve, state) };
}

async function stepped(
  { claim, trials, signal }: RunAtWork,
  progress: RunProgress,
  items: readonly TaskItem[],
  cost: { readonly tokens: number },
): Promise<RunProgress> {
  const startMs = performance.now();
  const { training } = progress.state;
  const algorithm = algorithmNamed(training.algorithm);
  const { state: next, report } = await algorithm.step(training, items, trials, signal);
  const state = afterStep(progress.state, next);
  const seconds = (performance.now() - startMs) / 1000;
  const step = curveStep(state, report, { tokens: cost.tokens, seconds });
  if (report.rollouts.length === 0) return { state, curve: [...progress.curve, step] };
  const prompts = new Map(items.map(({ id, prompt }) => [id, prompt]));
  const answers = report.rollouts.map((rollout) => shownRollout(report.step, rollout, prompts));
  const bytes = RunRollouts.encode({ answers }).finish();
  const name = `rollouts.${report.step}`;
  await claim.putObject(name, bytes);
  const rollouts = `${keyText(claim.key)}.${name}`;
  return { state, curve: [...progress.curve, { ...step, rollouts, rolloutsSha256: sha256Hex(bytes) }] };
}

function shownRollout(
  step: number,
  rollout: RolloutRecord,
  prompts: ReadonlyMap<string, string>,
): ListRolloutsResponse {
  const { itemId: item, sample, text: answer, reward, advantage: weight = 0, tokens, finish } = rollout;
  const prompt = prompts.get(item) ?? '';
  return { step, item, prompt, sample, answer, reward, weight, tokens, finishReason: FINISH[finish] };
}

const FINISH = { end: 1, stop: 2, length: 3 } as const;
