import { Run } from '#proto/zmesh/v1/trainer.js';
import { TRAINER_OPTION, withTrainer } from '../clients.js';
import { defineCommand } from '../command.js';
import { EXIT } from '../exit-codes.js';
import { writeJson } from '../render/json.js';
import { renderRuns } from '../runs/render.js';

const PAGE = 1000;

/** `zmesh runs list`: training runs, the newest first. */
export const runsList = defineCommand({
  path: 'runs list',
  summary: 'training runs, the newest first',
  options: {
    model: { type: 'string', value: 'NAME', help: 'only this model' },
    expert: { type: 'string', short: 'e', value: 'NAME', help: 'only this expert' },
    ...TRAINER_OPTION,
  },
  examples: ['runs list', 'runs list --expert math --json'],
  run: ({ values, io }) =>
    withTrainer(values.trainer, io, async (trainer) => {
      const runs: Run[] = [];
      let pageToken = '';
      do {
        const request = { model: values.model ?? '', expert: values.expert ?? '', pageSize: PAGE, pageToken };
        const page = await trainer.listRuns(request, { signal: io.signal });
        runs.push(...page.runs);
        pageToken = page.nextPageToken;
      } while (pageToken !== '');
      if (values.json) writeJson(io.out, runs.map(Run.toJSON));
      else io.out.write(renderRuns(runs));
      return EXIT.ok;
    }),
});
