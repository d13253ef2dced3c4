import { ExpertKind } from '#proto/zmesh/v1/expert_registry.js';
import { type GateTask, Run, RunSpec } from '#proto/zmesh/v1/trainer.js';
import { ZmeshError } from '#shared/errors.js';
import { encodeTaskItems } from '#shared/tasks/encode.js';
import { heldOut } from '#shared/tasks/held-out.js';
import { loadTask } from '#shared/tasks/load-task.js';
import type { Task } from '#shared/tasks/task.js';
import { tasksBeside } from '#shared/tasks/tasks-beside.js';
import { TRAINER_OPTION, withTrainer } from '../clients.js';
import { defineCommand, UsageError } from '../command.js';
import { EXIT } from '../exit-codes.js';
import { writeJson } from '../render/json.js';
import { followRun } from '../runs/follow.js';
import { choiceOption, numberOption, seedOption } from '../values.js';

/** Questions of each other task. */
const OTHER_QUESTIONS = 300;

/** `zmesh train`: an expert for a task, by a run on the mesh's trainers. */
export const train = defineCommand({
  path: 'train',
  summary:
    'train an expert for a task: a run that any trainer goes on with, tested before it may be routed to',
  usage: '<task>',
  positionals: { min: 1, max: 1 },
  traced: true,
  options: {
    expert: { type: 'string', short: 'e', value: 'NAME', help: 'name of the expert (default the task’s)' },
    model: { type: 'string', value: 'NAME', help: 'the model (default: the only one served)' },
    algorithm: {
      type: 'string',
      value: 'NAME',
      help: 'reinforce, next-token or sep-cma-es (default reinforce)',
    },
    preset: { type: 'string', value: 'NAME', help: 'default, official or paper (default default)' },
    set: {
      type: 'string',
      short: 's',
      multiple: true,
      value: 'NAME=VALUE',
      help: 'a setting of the algorithm, e.g. steps=30',
    },
    kind: { type: 'string', value: 'KIND', help: 'task or classifier (default task)' },
    label: { type: 'string', value: 'LABEL', help: 'the label that routes to it (default none)' },
    description: { type: 'string', value: 'TEXT', help: 'what the label means' },
    seed: { type: 'string', value: 'N', help: 'seed of every draw (default 0)' },
    other: {
      type: 'string',
      multiple: true,
      value: 'TASK',
      help: 'a task whose held-out questions show harm (default: the task folders beside the task)',
    },
    'no-others': { type: 'boolean', help: 'look for harm on no other task' },
    'gate-items': {
      type: 'string',
      value: 'N',
      help: 'fewest held-out questions that decide, at least 300 (default 300)',
    },
    'no-gate': { type: 'boolean', help: 'publish it untested and without an alias' },
    reward: { type: 'string', value: 'HOST:PORT', help: 'a reward service that scores the answers' },
    alias: { type: 'string', value: 'ALIAS', help: 'alias of a version that passes (default staged)' },
    id: { type: 'string', value: 'ID', help: 'id of the request: the same again gives the same run' },
    detach: { type: 'boolean', short: 'd', help: 'return as soon as the run is queued' },
    ...TRAINER_OPTION,
  },
  examples: [
    'train models/octo-nano/tasks/arithmetic --expert math --label math',
    'train my-task --no-others --gate-items 500',
    'train my-task --preset official --set steps=50 --detach',
    'train my-task --algorithm sep-cma-es --set population=16 --seed 7',
  ],
  notes: [
    'Ctrl-C leaves the run alone: it goes on. "zmesh runs watch ID" comes back, "zmesh runs cancel ID" ends it.',
  ],
  async run({ values, positionals, io }) {
    const task = await loadTask(positionals[0]!);
    checkTrainable(positionals[0]!, task);
    const others = await othersOf(positionals[0]!, values.other, values['no-others']);
    const kind = choiceOption('kind', values.kind, ['task', 'classifier']) ?? 'task';
    const itemsMin = numberOption('gate-items', values['gate-items'], {
      min: 300,
      max: 2 ** 31,
      integer: true,
    });
    const test = heldOut(task.splits.test, [...task.splits.train, ...task.splits.val]);
    const shared = task.splits.test.length - test.length;
    if (shared > 0)
      io.err.write(
        `${shared} of ${task.splits.test.length} test questions are trained on too: left out of the test\n`,
      );
    const spec = RunSpec.create({
      model: values.model ?? '',
      expert: values.expert ?? task.name,
      task: {
        name: task.name,
        train: splitBytes(task, 'train'),
        validation: splitBytes(task, 'val'),
        test: Buffer.from(encodeTaskItems(test), 'utf8'),
      },
      algorithm: values.algorithm ?? '',
      preset: values.preset ?? '',
      settings: settingsOf(values.set),
      kind: kind === 'classifier' ? ExpertKind.CLASSIFIER : ExpertKind.TASK,
      label: values.label ?? '',
      description: values.description ?? '',
      seed: seedOption(values.seed) ?? 0n,
      gate: {
        itemsMin,
        others,
        harmMargin: undefined,
        skip: values['no-gate'],
      },
      rewardAddress: values.reward ?? '',
      alias: values.alias ?? '',
    });
    return withTrainer(values.trainer, io, async (trainer) => {
      const { run } = await trainer.startRun({ requestId: values.id ?? '', spec }, { signal: io.signal });
      if (!run) throw new Error('the trainer started no run');
      if (values.detach) {
        if (values.json) writeJson(io.out, Run.toJSON(run));
        else io.out.write(`${run.id}\n`);
        return EXIT.ok;
      }
      io.err.write(`run ${run.id} of ${run.spec?.model}/${run.spec?.expert}\n`);
      return followRun(trainer, run.id, io, values);
    });
  },
});

/** Throws INVALID_FIELD for a task without questions to train on or to validate with. */
function checkTrainable(path: string, { splits }: Task): void {
  const missing = (['train', 'val'] as const).filter((split) => splits[split].length === 0);
  if (missing.length === 0) return;
  const message = `${path} has no questions of the split ${missing.join(' and ')}: training needs train.jsonl and val.jsonl, its test test.jsonl too`;
  throw new ZmeshError('INVALID_FIELD', message, { field: 'task', value: path });
}

/** Held-out questions of other tasks, the first ones: those named, else those of the tasks beside the trained one. */
async function othersOf(path: string, named: readonly string[], none: boolean): Promise<GateTask[]> {
  if (none && named.length > 0) throw new UsageError('--other and --no-others exclude each other');
  if (none) return [];
  const tasks = await Promise.all(
    (named.length > 0 ? named : await tasksBeside(path)).map((one) => loadTask(one)),
  );
  return tasks.map(({ name, splits }) => ({
    name,
    test: Buffer.from(encodeTaskItems(splits.test.slice(0, OTHER_QUESTIONS)), 'utf8'),
  }));
}

function splitBytes(task: Task, split: 'train' | 'val' | 'test'): Uint8Array {
  return Buffer.from(encodeTaskItems(task.splits[split]), 'utf8');
}

function settingsOf(pairs: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    pairs.map((pair) => {
      const at = pair.indexOf('=');
      if (at < 1) throw new UsageError(`--set is NAME=VALUE, not "${pair}"`);
      return [pair.slice(0, at), pair.slice(at + 1)];
    }),
  );
}
