import { Run } from '#proto/zmesh/v1/trainer.js';
import { TRAINER_OPTION, type Trainer, withTrainer } from '../clients.js';
import { type Command, defineCommand } from '../command.js';
import { EXIT } from '../exit-codes.js';
import { writeJson } from '../render/json.js';
import { stateName } from '../runs/render.js';

type Change = 'pauseRun' | 'resumeRun' | 'cancelRun';

/** `zmesh runs pause`: after its present step. */
export const runsPause = change('pause', 'pauseRun', 'pause a run after its present step');
/** `zmesh runs resume`: from where it was. */
export const runsResume = change(
  'resume',
  'resumeRun',
  'let a paused or failed run go on from its last step',
);
/** `zmesh runs cancel`: for good. */
export const runsCancel = change('cancel', 'cancelRun', 'end a run for good; nothing is published');

function change(verb: string, method: Change, summary: string): Command {
  return defineCommand({
    path: `runs ${verb}`,
    summary,
    usage: '<id>',
    positionals: { min: 1, max: 1 },
    options: { ...TRAINER_OPTION },
    examples: [`runs ${verb} 3f2a91c04d`],
    run: ({ values, positionals, io }) =>
      withTrainer(values.trainer, io, async (trainer: Trainer) => {
        const { run } = await trainer[method]({ id: positionals[0]! }, { signal: io.signal });
        if (values.json && run) writeJson(io.out, Run.toJSON(run));
        else if (run) io.out.write(`${run.id} ${stateName(run)}\n`);
        return EXIT.ok;
      }),
  });
}
