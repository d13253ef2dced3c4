import { JobState } from '#proto/zmesh/v1/adaptation.js';
import { ExpertGate } from '#proto/zmesh/v1/expert_registry.js';
import { type Run, RunPhase, RunSpec, type StartRunRequest } from '#proto/zmesh/v1/trainer.js';
import { ZmeshError } from '#shared/errors.js';
import { requestIdOr } from '#shared/ids.js';
import { timestamp } from '#shared/timestamp.js';
import { checkNames } from './check-names.js';
import { createJob, type JobDesk } from './jobs/requests.js';
import { layoutOf } from './layout.js';
import { findModel, type TrainerMesh } from './mesh.js';
import { chooseRun } from './presets.js';
import { readRunData } from './run-data.js';
import { checkRunSpec, withoutQuestions } from './run-spec.js';
import { shownRun } from './run-view.js';
import { writeSettings } from './settings.js';

/**
 * Checks everything about a run that can be checked before it runs, and puts it into the queue. Throws what the checks of
 * its parts do, REQUEST_CONFLICT, TRAINER_UNAVAILABLE.
 */
export async function startRun(
  {
    desk,
    mesh,
    dataBytesMax,
    routedAlias,
  }: {
    readonly routedAlias: string;
    readonly desk: JobDesk;
    readonly mesh: TrainerMesh;
    readonly dataBytesMax: number;
  },
  request: StartRunRequest,
  signal: AbortSignal,
): Promise<Run> {
  const requestId = request.requestId === '' ? '' : requestIdOr(request.requestId);
  const asked = checkRunSpec(request.spec);
  const data = readRunData(asked, dataBytesMax);
  const { algorithm, settings } = chooseRun(asked);
  const fault = algorithm.questionFault(data.train);
  if (fault !== undefined)
    throw new ZmeshError('INVALID_FIELD', `spec.task.train: ${fault}`, { field: 'spec.task.train' });
  const model = await findModel(mesh, asked.model, signal);
  layoutOf(model.matrices, String(settings.matrices));
  await checkNames(mesh, asked, { model: model.served.name, routedAlias, signal });
  const spec = { ...asked, model: model.served.name, algorithm: algorithm.name };
  const record = await createJob(desk, {
    kind: 'run',
    requestId,
    input: RunSpec.encode(spec).finish(),
    view: (id) => ({
      $case: 'run',
      value: {
        id,
        spec: withoutQuestions(spec),
        settings: writeSettings(settings),
        dataSha256: data.sha256,
        modelFingerprint: model.served.fingerprint,
        state: JobState.QUEUED,
        phase: RunPhase.UNSPECIFIED,
        curve: [],
        expert: '',
        gate: ExpertGate.UNSPECIFIED,
        gates: [],
        gateFailures: [],
        gateWarnings: [],
        failure: undefined,
        createdAt: timestamp(new Date()),
        startedAt: undefined,
        finishedAt: undefined,
        attempts: 0,
        trainer: '',
      },
    }),
  });
  return shownRun(record);
}
