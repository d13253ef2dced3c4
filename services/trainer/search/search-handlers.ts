import type { TrainerServiceService, WatchSearchResponse } from '#proto/zmesh/v1/trainer.js';
import type { Handlers } from '#shared/rpc/bind.js';
import { keyOfRecord } from '../jobs/job.js';
import { cancelJob, findJob } from '../jobs/requests.js';
import { watchJob } from '../jobs/watch.js';
import { pageOf } from '../read-runs.js';
import { readSearchEvent, searchEventOf, shownAdaptation } from './search-view.js';
import { type SearchDesk, startSearch } from './start-search.js';

type SearchMethods = 'startSearch' | 'getSearch' | 'listSearches' | 'watchSearch' | 'cancelSearch';

/** The trainer's RPCs for adaptations. */
export function searchHandlers(
  options: SearchDesk & { readonly draining: AbortSignal },
): Pick<Handlers<typeof TrainerServiceService>, SearchMethods> {
  const { desk, draining } = options;
  return {
    startSearch: async (request, call) => ({
      adaptation: await startSearch(options, request, call.signal),
    }),
    getSearch: async ({ id }) => ({ adaptation: shownAdaptation(findJob(desk.view, 'adaptation', id)) }),
    async listSearches({ model, pageSize, pageToken }) {
      const all = desk.view
        .list('adaptation')
        .map(({ record }) => shownAdaptation(record))
        .filter(({ spec }) => model === '' || spec?.model === model);
      const { page, nextPageToken } = pageOf(all, { pageSize, pageToken });
      return { adaptations: page, nextPageToken };
    },
    async *watchSearch({ id, afterSequence }, call): AsyncGenerator<WatchSearchResponse> {
      const record = findJob(desk.view, 'adaptation', id);
      const key = keyOfRecord(record);
      const read = {
        after: afterSequence,
        decode: readSearchEvent,
        ofRecord: () => searchEventOf(desk.view.get(key)?.record ?? record),
        signal: AbortSignal.any([call.signal, draining]),
      };
      for await (const event of watchJob(desk, key, read)) yield { event };
    },
    async cancelSearch({ id }) {
      const key = keyOfRecord(findJob(desk.view, 'adaptation', id));
      return { adaptation: shownAdaptation(await cancelJob(desk, key)) };
    },
  };
}
