import { writeFile } from 'node:fs/promises';
import { Priority } from '#proto/zmesh/v1/common.js';
import type { Strategy } from '#proto/zmesh/v1/dispatcher.js';
import { EXTRACTIONS } from '#shared/tasks/extraction.js';
import { MAX_TOKENS_MAX } from '#shared/tasks/item-faults.js';
import { LAYOUTS, TESTS } from '#shared/tasks/layouts/layout.js';
import { loadTasks } from '#shared/tasks/load.js';
import type { Split } from '#shared/tasks/task.js';
import type { TaskSource } from '#shared/tasks/task-file.js';
import { DISPATCHER_OPTION, withDispatcher } from '../clients.js';
import { defineCommand, UsageError } from '../command.js';
import { compareStrategies, renderComparison } from '../eval/compare.js';
import { type EvalStrategy, evaluate } from '../eval/evaluate.js';
import { evaluateLabels, isLabelTask } from '../eval/labels.js';
import { accuracyTable, renderAccuracy } from '../eval/tables.js';
import { EXIT } from '../exit-codes.js';
import { drawLabelResults, renderLabelResults } from '../label-results.js';
import { writeJson } from '../render/json.js';
import { createProgress } from '../render/progress.js';
import { choiceOption, numberOption } from '../values.js';

const CONCURRENCY = 16;

/** `zmesh eval`: accuracy of strategies on JSONL tasks. */
export const evaluateTasks = defineCommand({
  path: 'eval',
  summary: 'accuracy of strategies on JSONL tasks, with 95 % intervals; two strategies compared in pairs',
  usage: '<path…>',
  positionals: { min: 1, max: 64 },
  traced: true,
  options: {
    strategy: {
      type: 'string',
      short: 's',
      multiple: true,
      value: 'NAME',
      help: 'none, prompt, classifier, auto, or expert:NAME (default auto)',
    },
    compare: { type: 'boolean', help: 'compare the first two strategies on the same questions' },
    limit: { type: 'string', value: 'N', help: 'most questions of each task (default all)' },
    split: {
      type: 'string',
      value: 'NAME',
      help: 'train, val or test, where a path is a folder (default test)',
    },
    layout: {
      type: 'string',
      value: 'NAME',
      help: `paths hold published data: ${Object.keys(LAYOUTS).join(', ')}`,
    },
    extraction: {
      type: 'string',
      value: 'NAME',
      help: 'with --layout: how answers are found, corrected or official (default corrected)',
    },
    tests: {
      type: 'string',
      value: 'NAME',
      help: 'with --layout mbpp or humaneval: base tests, or plus (default base)',
    },
    'max-tokens': {
      type: 'string',
      value: 'N',
      help: 'most tokens of answers to questions that name no budget (default the task’s, the layout’s, the model’s)',
    },
    concurrency: { type: 'string', value: 'N', help: `questions at once (default ${CONCURRENCY})` },
    model: { type: 'string', value: 'NAME', help: 'the model (default: the only one served)' },
    reward: {
      type: 'string',
      value: 'HOST:PORT',
      help: 'the reward service of questions that are judged by one and name none',
    },
    answers: { type: 'boolean', help: 'with --json: every answer, not the counts alone' },
    picture: {
      type: 'string',
      value: 'FILE',
      help: 'write the confusion matrices of label tasks there, as SVG',
    },
    ...DISPATCHER_OPTION,
  },
  examples: [
    'eval models/octo-nano/tasks/arithmetic --limit 50',
    'eval models/octo-nano/tasks -s none -s auto --compare',
    'eval models/octo-nano/tasks/classification -s prompt -s classifier --picture confusion.svg',
    'eval gsm8k/test.jsonl --layout gsm8k --limit 200',
    'eval my-questions.jsonl -s expert:math@canary -s expert:math@stable --compare --json',
  ],
  notes: [
    'A path is a .jsonl file, a task folder, or a folder of task folders; with --layout, a file or folder as published',
    '(docs/tasks.md). Programs in answers are run in a sandbox alone, which needs bubblewrap. Tasks whose questions all ask for a',
    'label measure pass 1 alone, under the strategies prompt, classifier and auto.',
  ],
  async run({ values, positionals, io }) {
    const split: Split = choiceOption('split', values.split, ['train', 'val', 'test']) ?? 'test';
    const limit = numberOption('limit', values.limit, { min: 1, max: 1e9, integer: true });
    const concurrency =
      numberOption('concurrency', values.concurrency, { min: 1, max: 256, integer: true }) ?? CONCURRENCY;
    const strategies = (values.strategy.length > 0 ? values.strategy : ['auto']).map(namedStrategy);
    const [first, second] = strategies;
    if (values.compare && !(first && second)) throw new UsageError('--compare needs two --strategy options');
    const maxTokens = numberOption('max-tokens', values['max-tokens'], {
      min: 1,
      max: MAX_TOKENS_MAX,
      integer: true,
    });
    const options = { source: sourceOf(values), maxTokens };
    const tasks = (await Promise.all(positionals.map((path) => loadTasks(path, split, options)))).flat();
    if (values.picture !== undefined && !(tasks.some(isLabelTask) && strategies.some(hasFirstPass)))
      throw new UsageError(
        '--picture draws label tasks under prompt, classifier or auto, and there are none',
      );
    return withDispatcher(values.dispatcher, io, async ({ dispatcher }) => {
      const progress = createProgress(io);
      const common = {
        client: dispatcher,
        model: values.model ?? '',
        limit,
        concurrency,
        rewardAddress: values.reward,
        priority: Priority.BATCH,
        signal: io.signal,
        onProgress: progress.update,
      };
      const result = await evaluate({
        ...common,
        tasks: tasks.filter((task) => !isLabelTask(task)),
        strategies,
      });
      const labels = [];
      for (const task of tasks.filter(isLabelTask))
        for (const strategy of strategies.filter(hasFirstPass))
          labels.push(await evaluateLabels({ ...common, task, strategy }));
      progress.end();
      if (values.picture !== undefined) await writeFile(values.picture, drawLabelResults(labels));
      const table = accuracyTable(result);
      const comparison =
        values.compare && first && second && result.tasks.length > 0
          ? compareStrategies(result, first.name, second.name)
          : undefined;
      if (values.json)
        writeJson(io.out, { table, comparison, labels, ...(values.answers ? { cells: result.cells } : {}) });
      else {
        if (result.tasks.length > 0) io.out.write(renderAccuracy(table));
        if (comparison) io.out.write(`\n${renderComparison(comparison)}`);
        if (labels.length > 0)
          io.out.write(`${result.tasks.length > 0 ? '\n' : ''}${renderLabelResults(labels)}`);
      }
      return EXIT.ok;
    });
  },
});

function sourceOf(values: {
  readonly layout: string | undefined;
  readonly extraction: string | undefined;
  readonly tests: string | undefined;
}): TaskSource {
  const layout = choiceOption('layout', values.layout, Object.keys(LAYOUTS));
  const extraction = choiceOption('extraction', values.extraction, EXTRACTIONS);
  const tests = choiceOption('tests', values.tests, TESTS);
  if (layout === undefined && (extraction ?? tests) !== undefined)
    throw new UsageError('--extraction and --tests need --layout');
  return {
    ...(layout !== undefined && { layout }),
    ...(extraction !== undefined && { extraction }),
    ...(tests !== undefined && { tests }),
  };
}

/** A strategy by the name that tables show. Throws UsageError. */
export function namedStrategy(name: string): EvalStrategy {
  const expert = /^expert:(.+)$/.exec(name)?.[1];
  if (expert !== undefined)
    return { name: expert, strategy: { kind: { $case: 'expert', value: { expert } } } };
  const kind = choiceOption('strategy', name, ['none', 'prompt', 'classifier', 'auto']);
  return { name, strategy: STRATEGIES[kind ?? 'auto'] };
}

const STRATEGIES: Readonly<Record<'none' | 'prompt' | 'classifier' | 'auto', Strategy>> = {
  none: { kind: { $case: 'none', value: {} } },
  prompt: { kind: { $case: 'prompt', value: { firstPass: undefined } } },
  classifier: { kind: { $case: 'classifier', value: { firstPass: undefined, expert: '' } } },
  auto: { kind: { $case: 'auto', value: { firstPass: undefined } } },
};

function hasFirstPass({ strategy }: EvalStrategy): boolean {
  return ['prompt', 'classifier', 'auto'].includes(strategy.kind?.$case ?? '');
}
