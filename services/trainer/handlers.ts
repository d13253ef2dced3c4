import {
  type ListRolloutsResponse,
  TrainerServiceService,
  type WatchRunResponse,
} from '#proto/zmesh/v1/trainer.js';
import { type Binding, bind } from '#shared/rpc/bind.js';
import { keyOfRecord } from './jobs/job.js';
import { cancelJob, findJob, type JobDesk, pauseJob, resumeJob } from './jobs/requests.js';
import { watchJob } from './jobs/watch.js';
import type { TrainerMesh } from './mesh.js';
import { getRun, listRuns, readRollouts } from './read-runs.js';
import { readRunEvent, runEventOf, shownRun } from './run-view.js';
import { searchHandlers } from './search/search-handlers.js';
import { startRun } from './start-run.js';

/** What the handlers need. */
export interface HandlersOptions {
  readonly desk: JobDesk;
  readonly mesh: TrainerMesh;
  readonly dataBytesMax: number;
  /** Alias of the experts that adaptations mix, and of adaptations that name none. */
  readonly routedAlias: string;
  /** Aborts when the trainer drains: ends the watches. */
  readonly draining: AbortSignal;
}

/** The trainer's RPCs. */
export function trainerHandlers(options: HandlersOptions): Binding {
  const { desk, draining } = options;
  const key = (id: string) => keyOfRecord(findJob(desk.view, 'run', id));
  return bind(TrainerServiceService, {
    startRun: async (request, call) => ({ run: await startRun(options, request, call.signal) }),
    getRun: async ({ id }) => ({ run: await getRun(desk, id) }),
    listRuns: async (request) => listRuns(desk, request),
    async *watchRun({ id, afterSequence }, call): AsyncGenerator<WatchRunResponse> {
      const record = findJob(desk.view, 'run', id);
      const signal = AbortSignal.any([call.signal, draining]);
      const read = {
        after: afterSequence,
        decode: readRunEvent,
        ofRecord: () => runEventOf(desk.view.get(keyOfRecord(record))?.record ?? record),
        signal,
      };
      for await (const event of watchJob(desk, keyOfRecord(record), read)) yield { event };
    },
    pauseRun: async ({ id }) => ({ run: shownRun(await pauseJob(desk, key(id))) }),
    resumeRun: async ({ id }) => ({ run: shownRun(await resumeJob(desk, key(id))) }),
    cancelRun: async ({ id }) => ({ run: shownRun(await cancelJob(desk, key(id))) }),
    async *listRollouts(request): AsyncGenerator<ListRolloutsResponse> {
      yield* await readRollouts(desk, request);
    },
    ...searchHandlers(options),
  });
}
