import { Adaptation, JobState } from '#proto/zmesh/v1/adaptation.js';
import { followSearch } from '../adaptations/follow.js';
import { renderAdaptation, renderAdaptations } from '../adaptations/render.js';
import { DISPATCHER_OPTION, TRAINER_OPTION, withDispatcher, withTrainer } from '../clients.js';
import { defineCommand } from '../command.js';
import { EXIT } from '../exit-codes.js';
import { writeJson } from '../render/json.js';
import { showSearch } from './adapt.js';

const PAGE = 1000;
const ID = { usage: '<id>', positionals: { min: 1, max: 1 } } as const;

/** `zmesh adaptations list`: searches, the newest first. */
export const adaptationsList = defineCommand({
  path: 'adaptations list',
  summary: 'searches for adaptations, the newest first; what is published is in "experts list"',
  options: { model: { type: 'string', value: 'NAME', help: 'only this model' }, ...TRAINER_OPTION },
  examples: ['adaptations list', 'adaptations list --json'],
  run: ({ values, io }) =>
    withTrainer(values.trainer, io, async (trainer) => {
      const all: Adaptation[] = [];
      let pageToken = '';
      do {
        const request = { model: values.model ?? '', pageSize: PAGE, pageToken };
        const page = await trainer.listSearches(request, { signal: io.signal });
        all.push(...page.adaptations);
        pageToken = page.nextPageToken;
      } while (pageToken !== '');
      if (values.json) writeJson(io.out, all.map(Adaptation.toJSON));
      else io.out.write(renderAdaptations(all));
      return EXIT.ok;
    }),
});

/** `zmesh adaptations show`: one search. */
export const adaptationsShow = defineCommand({
  path: 'adaptations show',
  summary: 'one search: where it is, or what came of it',
  ...ID,
  options: { ...DISPATCHER_OPTION },
  examples: ['adaptations show 3f2a91c04d'],
  run: ({ values, positionals, io }) =>
    withDispatcher(values.dispatcher, io, async ({ dispatcher }) => {
      const { adaptation } = await dispatcher.getAdaptation({ id: positionals[0]! }, { signal: io.signal });
      if (!adaptation) throw new Error('the dispatcher sent no adaptation');
      if (values.json) writeJson(io.out, Adaptation.toJSON(adaptation));
      else io.out.write(renderAdaptation(adaptation));
      return EXIT.ok;
    }),
});

/** `zmesh adaptations watch`: a search's progress until its end. */
export const adaptationsWatch = defineCommand({
  path: 'adaptations watch',
  summary: 'a search’s progress until it is over',
  ...ID,
  options: { ...DISPATCHER_OPTION },
  examples: ['adaptations watch 3f2a91c04d'],
  run: ({ values, positionals, io }) =>
    withDispatcher(values.dispatcher, io, ({ dispatcher }) => {
      const request = { id: positionals[0]!, afterSequence: 0n };
      const stream = dispatcher.watchAdaptation(request, { signal: io.signal });
      return showSearch(followSearch(dispatcher, stream, io), io, values.json);
    }),
});

/** `zmesh adaptations cancel`: ends a search. */
export const adaptationsCancel = defineCommand({
  path: 'adaptations cancel',
  summary: 'end a search for good; nothing is published',
  ...ID,
  options: { ...DISPATCHER_OPTION },
  examples: ['adaptations cancel 3f2a91c04d'],
  run: ({ values, positionals, io }) =>
    withDispatcher(values.dispatcher, io, async ({ dispatcher }) => {
      const { adaptation } = await dispatcher.cancelAdaptation(
        { id: positionals[0]! },
        { signal: io.signal },
      );
      if (!adaptation) throw new Error('the dispatcher sent no adaptation');
      if (values.json) writeJson(io.out, Adaptation.toJSON(adaptation));
      else io.out.write(renderAdaptation(adaptation));
      if (adaptation.state === JobState.RUNNING) io.err.write('it ends as soon as its trainer hears of it\n');
      return EXIT.ok;
    }),
});
