import { writeFile } from 'node:fs/promises';
import { Run } from '#proto/zmesh/v1/trainer.js';
import { TRAINER_OPTION, withTrainer } from '../clients.js';
import { defineCommand } from '../command.js';
import { EXIT } from '../exit-codes.js';
import { writeJson } from '../render/json.js';
import { comparisonSvg, renderRunComparison } from '../runs/compare.js';

/** `zmesh runs compare`: runs side by side: where their settings differ, and what came out. */
export const runsCompare = defineCommand({
  path: 'runs compare',
  summary: 'runs side by side: where they differ, and what came out',
  usage: '<id> <id…>',
  positionals: { min: 2, max: 8 },
  options: {
    picture: { type: 'string', value: 'FILE', help: 'also draw their validations in one plot, as SVG' },
    ...TRAINER_OPTION,
  },
  examples: ['runs compare 3f2a91c04d 77b0e1a2c9', 'runs compare 3f2a91c04d 77b0e1a2c9 --picture two.svg'],
  run: ({ values, positionals, io }) =>
    withTrainer(values.trainer, io, async (trainer) => {
      const runs = await Promise.all(
        positionals.map(async (id) => {
          const { run } = await trainer.getRun({ id }, { signal: io.signal });
          if (!run) throw new Error('the trainer sent no run');
          return run;
        }),
      );
      if (values.picture !== undefined) await writeFile(values.picture, comparisonSvg(runs));
      if (values.json) writeJson(io.out, runs.map(Run.toJSON));
      else io.out.write(renderRunComparison(runs));
      return EXIT.ok;
    }),
});
