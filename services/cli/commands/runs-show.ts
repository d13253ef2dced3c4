import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ListRolloutsResponse, Run } from '#proto/zmesh/v1/trainer.js';
import { TRAINER_OPTION, type Trainer, withTrainer } from '../clients.js';
import { defineCommand } from '../command.js';
import { EXIT } from '../exit-codes.js';
import type { Io } from '../io.js';
import { writeJson } from '../render/json.js';
import { printable, renderFacts } from '../render/table.js';
import { curveEvents, curveSvg } from '../runs/curve-files.js';
import { renderRunResult, stepHeader, stepLine } from '../runs/render.js';
import { numberOption } from '../values.js';

/** `zmesh runs show`: one run in full: result, settings, curve; or the answers of a step. */
export const runsShow = defineCommand({
  path: 'runs show',
  summary: 'one run in full, with its curve; or the answers of one of its steps with their rewards',
  usage: '<id>',
  positionals: { min: 1, max: 1 },
  options: {
    rollouts: { type: 'boolean', help: 'the answers of a step instead' },
    step: { type: 'string', value: 'N', help: 'which step’s answers (default the last one’s)' },
    limit: { type: 'string', value: 'N', help: 'most answers (default all)' },
    picture: { type: 'string', value: 'FILE', help: 'also write its learning curve there, as SVG' },
    tensorboard: { type: 'string', value: 'FOLDER', help: 'also write a TensorBoard event file there' },
    ...TRAINER_OPTION,
  },
  examples: [
    'runs show 3f2a91c04d',
    'runs show 3f2a91c04d --rollouts --step 12 --limit 8',
    'runs show 3f2a91c04d --picture curve.svg --tensorboard logs/math',
  ],
  async run({ values, positionals, io }) {
    const step = numberOption('step', values.step, { min: 1, max: 2 ** 31, integer: true }) ?? 0;
    const limit = numberOption('limit', values.limit, { min: 1, max: 1e9, integer: true });
    return withTrainer(values.trainer, io, async (trainer) => {
      const [id = ''] = positionals;
      if (values.rollouts) return showRollouts(trainer, io, { id, step, limit, json: values.json });
      const { run } = await trainer.getRun({ id }, { signal: io.signal });
      if (!run) throw new Error('the trainer sent no run');
      if (values.picture !== undefined) await writeFile(values.picture, curveSvg(run));
      if (values.tensorboard !== undefined) {
        const { name, bytes } = curveEvents(run);
        await mkdir(values.tensorboard, { recursive: true });
        await writeFile(join(values.tensorboard, name), bytes);
      }
      if (values.json) {
        writeJson(io.out, Run.toJSON(run));
        return EXIT.ok;
      }
      io.out.write(`${renderRunResult(run)}\nSettings\n\n`);
      io.out.write(renderFacts(Object.entries(run.settings)));
      io.out.write(`\nCurve\n\n${stepHeader()}${run.curve.map((one) => stepLine(one)).join('')}`);
      return EXIT.ok;
    });
  },
});

async function showRollouts(
  trainer: Trainer,
  io: Io,
  asked: {
    readonly id: string;
    readonly step: number;
    readonly limit: number | undefined;
    readonly json: boolean;
  },
): Promise<number> {
  const { id, step, limit = Number.POSITIVE_INFINITY, json } = asked;
  const answers: ListRolloutsResponse[] = [];
  for await (const answer of trainer.listRollouts({ id, step }, { signal: io.signal })) {
    if (answers.length >= limit) break;
    answers.push(answer);
  }
  if (json) writeJson(io.out, answers.map(ListRolloutsResponse.toJSON));
  else
    for (const { item, prompt, sample, answer, reward, weight, tokens } of answers)
      io.out.write(
        `${item} #${sample}  reward ${reward}  weight ${weight.toFixed(3)}  ${tokens} tokens\n  Q: ${printable(prompt)}\n  A: ${printable(answer)}\n`,
      );
  return EXIT.ok;
}
