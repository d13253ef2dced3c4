import { JobState } from '#proto/zmesh/v1/adaptation.js';
import {
  ExpertGate,
  ExpertKind,
  type ExpertRegistryServiceService,
} from '#proto/zmesh/v1/expert_registry.js';
import { RunPhase, RunStep } from '#proto/zmesh/v1/trainer.js';
import { publishExpert } from '#shared/experts/publish.js';
import type { RpcClient } from '#shared/rpc/client.js';
import { withSpan } from '#shared/telemetry/spans.js';
import { timestamp } from '#shared/timestamp.js';
import { runSettings } from './loop.js';
import { categoriesOf } from './run-data.js';
import type { RunAtWork, RunProgress } from './run-job.js';
import type { RunTest } from './run-test.js';
import { runChange, shownRun } from './run-view.js';
import { writeSettings } from './settings.js';

/** A run that is done. */
export interface FinishedRun {
  readonly run: RunAtWork;
  readonly progress: RunProgress;
  readonly tested: RunTest;
  readonly registry: Pick<RpcClient<ExpertRegistryServiceService>, 'getModel' | 'publishExpert'>;
}

const CALL_MS = 60_000;

/**
 * Publishes the best step with the run's record and the outcome of its test; where it passed, the run's alias points to it.
 * Content decides the version, so publishing again after a crash gives the same one. The claim is checked first: a trainer
 * that lost it publishes nothing.
 */
export async function publishRun({ run, progress, tested, registry }: FinishedRun): Promise<void> {
  const { claim, spec, data, model, signal } = run;
  const gate = gateValue(tested);
  const phase = {
    ...shownRun(claim.record),
    phase: RunPhase.PUBLISHING,
    gates: [...tested.results],
    gate,
    gateFailures: [...tested.failures],
    gateWarnings: [...tested.warnings],
  };
  await claim.save(runChange(phase));
  const { state } = progress;
  const { normalisation } = runSettings(state.training);
  const published = await withSpan('publish', {}, () =>
    publishExpert({
      registry,
      model: model.served.name,
      name: spec.expert,
      kind: spec.kind === ExpertKind.CLASSIFIER ? 'classifier' : 'task',
      label: spec.label,
      description: spec.description,
      metadata: factsOf({ run, progress, tested, registry }),
      categories: categoriesOf(spec, data),
      record: recordOf({ run, progress, tested, registry }),
      gate,
      expert: { normalisation, multipliers: state.best!.multipliers },
      alias: gate === ExpertGate.PASSED ? spec.alias : '',
      call: { signal, timeoutMs: CALL_MS },
    }),
  );
  const { version } = published.expert;
  const done = {
    ...shownRun(claim.record),
    state: JobState.SUCCEEDED,
    phase: RunPhase.UNSPECIFIED,
    expert: `${model.served.name}/${spec.expert}@${version}`,
    finishedAt: timestamp(new Date()),
  };
  await claim.save({ ...runChange(done), state: JobState.SUCCEEDED });
}

function gateValue({ passed }: RunTest): ExpertGate {
  if (passed === undefined) return ExpertGate.UNSPECIFIED;
  return passed ? ExpertGate.PASSED : ExpertGate.FAILED;
}

/**
 * What is shown with the version at a glance. Part of the version's hash, so it holds nothing that a second run of the same would not
 * have. A version that was not tested says so: the first publication's outcome counts, and the same multipliers, tested later,
 * must not stay without theirs.
 */
function factsOf({ run: { spec, data }, progress: { state }, tested }: FinishedRun): Record<string, string> {
  return {
    algorithm: state.training.algorithm,
    preset: spec.preset || 'default',
    task: spec.task!.name,
    data_sha256: data.sha256,
    seed: String(spec.seed),
    step: String(state.best!.step),
    ...(tested.passed === undefined && { tested: 'no' }),
  };
}

function recordOf({ run, progress, tested }: FinishedRun): Record<string, unknown> {
  const { claim, spec, data, model } = run;
  const { id, createdAt, startedAt } = shownRun(claim.record);
  const iso = (time: typeof createdAt): string | undefined =>
    time && new Date(Number(time.seconds) * 1000).toISOString();
  return {
    kind: 'training-run',
    run: id,
    task: spec.task!.name,
    data_sha256: data.sha256,
    questions: { train: data.train.length, validation: data.validation.length, test: data.test.length },
    model: model.served.name,
    model_fingerprint: model.served.fingerprint,
    algorithm: progress.state.training.algorithm,
    preset: spec.preset || 'default',
    settings: writeSettings(progress.state.training.settings),
    seed: String(spec.seed),
    best_step: progress.state.best!.step,
    validations: progress.state.validations,
    gate: { passed: tested.passed ?? null, failures: tested.failures, warnings: tested.warnings },
    // As they are: the contract's JSON leaves zeros out, and 0 questions that only the base got right is a finding.
    comparisons: tested.results,
    curve: progress.curve.map((step) => RunStep.toJSON({ ...step, rollouts: '', rolloutsSha256: '' })),
    created_at: iso(createdAt),
    started_at: iso(startedAt),
  };
}
