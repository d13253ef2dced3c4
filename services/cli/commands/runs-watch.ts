import { Run } from '#proto/zmesh/v1/trainer.js';
import { TRAINER_OPTION, withTrainer } from '../clients.js';
import { defineCommand } from '../command.js';
import { EXIT } from '../exit-codes.js';
import { writeJson } from '../render/json.js';
import { followRun } from '../runs/follow.js';
import { renderRunResult } from '../runs/render.js';

/** `zmesh runs watch`: a run's steps from its beginning until its end. */
export const runsWatch = defineCommand({
  path: 'runs watch',
  summary: 'a run’s steps from the first one on, until it is over',
  usage: '<id>',
  positionals: { min: 1, max: 1 },
  options: { ...TRAINER_OPTION },
  examples: ['runs watch 3f2a91c04d'],
  run: ({ values, positionals, io }) =>
    withTrainer(values.trainer, io, async (trainer) => {
      const [id = ''] = positionals;
      const last = await followRun(trainer, id, io, { quiet: values.json });
      const { run } = await trainer.getRun({ id }, { signal: io.signal });
      if (values.json && run) writeJson(io.out, Run.toJSON(run));
      else if (run) io.out.write(renderRunResult(run));
      return last.failure ? EXIT.failure : EXIT.ok;
    }),
});
