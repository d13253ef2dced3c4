import { TRAINER_OPTION, withTrainer } from '../clients.js';
import { defineCommand } from '../command.js';
import { followRun } from '../runs/follow.js';

/** `zmesh runs watch`: a run's steps from its beginning until its end. */
export const runsWatch = defineCommand({
  path: 'runs watch',
  summary: 'a run’s steps from the first one on, until it is over',
  usage: '<id>',
  positionals: { min: 1, max: 1 },
  options: { ...TRAINER_OPTION },
  examples: ['runs watch 3f2a91c04d'],
  run: ({ values, positionals, io }) =>
    withTrainer(values.trainer, io, (trainer) => followRun(trainer, positionals[0]!, io, values)),
});
