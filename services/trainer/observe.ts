import { JobState } from '#proto/zmesh/v1/adaptation.js';
import { type Observation, observeLevel } from '#shared/telemetry/instruments.js';
import { ZMESH } from '#shared/telemetry/semconv.js';
import { JOB_KINDS } from './jobs/job.js';
import type { JobView } from './jobs/view.js';
import type { RunMeter } from './measure-steps.js';

const STATES: Readonly<Record<string, JobState>> = {
  queued: JobState.QUEUED,
  running: JobState.RUNNING,
  paused: JobState.PAUSED,
  succeeded: JobState.SUCCEEDED,
  failed: JobState.FAILED,
  cancelled: JobState.CANCELLED,
};

/** What a trainer is made of, as far as it is observed. */
export interface ObservedTrainer {
  readonly view: Pick<JobView, 'list'>;
  /** Jobs that this process works on. */
  readonly worker: { readonly running: number };
  /** Steps of its runs. */
  readonly meter: Pick<RunMeter, 'observe'>;
}

/** Observes the jobs that are kept, the same in every replica, and those at work in this one with their steps. Call the result to stop. */
export function observeTrainer({ view, worker, meter }: ObservedTrainer): () => void {
  const stops = [
    observeLevel(
      { name: 'zmesh.trainer.jobs', unit: '{job}', description: 'Jobs that are kept, of all trainers' },
      () =>
        JOB_KINDS.flatMap((kind) => {
          const states = view.list(kind).map(({ record }) => record.state);
          return Object.entries(STATES).map(
            ([name, state]): Observation => ({
              value: states.filter((one) => one === state).length,
              attributes: { [ZMESH.JOB_KIND]: kind, [ZMESH.JOB_STATE]: name },
            }),
          );
        }),
    ),
    observeLevel(
      { name: 'zmesh.trainer.working', unit: '{job}', description: 'Jobs that this trainer works on' },
      () => [{ value: worker.running }],
    ),
    meter.observe(),
  ];
  return () => {
    for (const stop of stops) stop();
  };
}
