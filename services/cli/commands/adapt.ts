import { readFileSync } from 'node:fs';
import {
  Adaptation,
  type AdaptationEvent,
  AdaptationSpec,
  SearchDeploy,
  SearchStage,
} from '#proto/zmesh/v1/adaptation.js';
import { canonicalJson } from '#shared/tasks/hash.js';
import { parseTaskItems } from '#shared/tasks/parse.js';
import type { TaskItem } from '#shared/tasks/task.js';
import { followSearch } from '../adaptations/follow.js';
import { renderAdaptation, renderAdaptationProgress, stateText } from '../adaptations/render.js';
import { DISPATCHER_OPTION, withDispatcher } from '../clients.js';
import { defineCommand, UsageError } from '../command.js';
import { EXIT } from '../exit-codes.js';
import type { Io } from '../io.js';
import { writeJson } from '../render/json.js';
import { createProgress } from '../render/progress.js';
import { choiceOption, numberOption, seedOption } from '../values.js';

/** `zmesh adapt`: solved examples in, a published mixture of experts out. */
export const adapt = defineCommand({
  path: 'adapt',
  summary: 'find the mixture of experts for a task from a few solved examples, and publish it',
  traced: true,
  options: {
    examples: { type: 'string', value: 'FILE', help: 'solved examples, JSON Lines as in task files' },
    name: { type: 'string', short: 'n', value: 'NAME', help: 'name of the adaptation' },
    shots: { type: 'string', value: 'N', help: 'use only the first N examples' },
    expert: {
      type: 'string',
      short: 'e',
      multiple: true,
      value: 'NAME',
      help: 'an expert to mix (default all that are routed)',
    },
    model: { type: 'string', value: 'NAME', help: 'the model (default: the only one served)' },
    description: { type: 'string', value: 'TEXT', help: 'what it is for' },
    alias: {
      type: 'string',
      value: 'ALIAS',
      help: 'alias that points to the result (default the routed one)',
    },
    stage: { type: 'string', value: 'STAGE', help: 'auto, likelihood or generate (default auto)' },
    population: { type: 'string', value: 'N', help: 'candidates of a generation (default 32)' },
    generations: { type: 'string', value: 'N', help: 'generations (default 10)' },
    'per-matrix': { type: 'boolean', help: 'one α per expert and matrix instead of one per expert' },
    'sum-to-one': { type: 'boolean', help: 'α sum to 1' },
    deploy: { type: 'string', value: 'WHICH', help: 'best or mean (default best)' },
    folds: {
      type: 'string',
      value: 'N',
      help: 'folds of the cross-validation (default leave one out up to 10)',
    },
    seed: { type: 'string', value: 'N', help: 'seed of the candidates (default 0)' },
    'token-budget': {
      type: 'string',
      value: 'N',
      help: 'no new candidates once so many tokens were generated (default no limit)',
    },
    timeout: {
      type: 'string',
      value: 'SECONDS',
      help: 'end the search after so long, with what it has by then (default never)',
    },
    id: { type: 'string', value: 'ID', help: 'id of the request: the same again gives the same search' },
    detach: { type: 'boolean', short: 'd', help: 'return as soon as it is queued' },
    ...DISPATCHER_OPTION,
  },
  examples: [
    'adapt --examples my-task.jsonl --name my-task',
    'adapt --examples models/octo-nano/tasks/compare/train.jsonl --shots 10 --name compare --seed 1',
  ],
  notes: [
    'An example is {"prompt", "verifier", "answers"?, "system"?, "max_tokens"?}; its first answer is the reference. Ctrl-C',
    'leaves the search alone: "zmesh adaptations watch ID" comes back, "zmesh adaptations cancel ID" ends it.',
  ],
  async run({ values, io }) {
    if (values.examples === undefined || values.name === undefined)
      throw new UsageError('--examples FILE and --name NAME are needed');
    const items = readExampleFile(values.examples);
    const whole = { min: 0, max: 2 ** 31, integer: true } as const;
    const shots = numberOption('shots', values.shots, { ...whole, min: 1 }) ?? items.length;
    const spec = AdaptationSpec.create({
      model: values.model ?? '',
      name: values.name,
      description: values.description ?? '',
      experts: [...values.expert],
      examples: items.slice(0, shots).map(exampleOf),
      alias: values.alias ?? '',
      settings: {
        stage: STAGES[choiceOption('stage', values.stage, ['auto', 'likelihood', 'generate']) ?? 'auto'],
        population: numberOption('population', values.population, whole),
        generations: numberOption('generations', values.generations, whole),
        eliteFraction: undefined,
        perMatrix: values['per-matrix'],
        sumToOne: values['sum-to-one'],
        noiseFloor: undefined,
        smoothing: undefined,
        deploy:
          choiceOption('deploy', values.deploy, ['best', 'mean']) === 'mean'
            ? SearchDeploy.MEAN
            : SearchDeploy.BEST,
        folds: numberOption('folds', values.folds, whole) ?? 0,
        seed: seedOption(values.seed) ?? 0n,
        tokenBudget: BigInt(
          numberOption('token-budget', values['token-budget'], { min: 0, max: 1e15, integer: true }) ?? 0,
        ),
        maxTokens: undefined,
        withoutBaseArm: false,
      },
    });
    const timeoutS = numberOption('timeout', values.timeout, whole) ?? 0;
    return withDispatcher(values.dispatcher, io, async ({ dispatcher }) => {
      const stream = dispatcher.adapt({ requestId: values.id ?? '', spec, timeoutS }, { signal: io.signal });
      const events = followSearch(dispatcher, stream, io);
      if (!values.detach) return showSearch(events, io, values.json);
      for await (const { adaptation } of events) {
        if (values.json && adaptation) writeJson(io.out, Adaptation.toJSON(adaptation));
        else io.out.write(`${adaptation?.id}\n`);
        break;
      }
      return EXIT.ok;
    });
  },
});

/** Shows how a search goes and what came of it; the exit code. Ctrl-C leaves the search alone. */
export async function showSearch(
  events: AsyncIterable<AdaptationEvent>,
  io: Io,
  json: boolean,
): Promise<number> {
  const progress = createProgress(io);
  let last: Adaptation | undefined;
  try {
    for await (const event of events) {
      if (!last && event.adaptation)
        io.err.write(`adaptation ${event.adaptation.id}: ${stateText(event.adaptation)}\n`);
      if (event.adaptation) last = event.adaptation;
      if (event.progress)
        progress.update(event.progress.done, event.progress.total, renderAdaptationProgress(event.progress));
    }
  } catch (error) {
    if (!last || !io.signal.aborted) throw error;
    progress.end();
    io.err.write(
      `the search goes on: "zmesh adaptations watch ${last.id}" comes back to it, "zmesh adaptations cancel ${last.id}" ends it\n`,
    );
    return EXIT.interrupted;
  } finally {
    progress.end();
  }
  if (!last) throw new Error('the search ended without a word');
  if (json) writeJson(io.out, Adaptation.toJSON(last));
  else io.out.write(renderAdaptation(last));
  return last.result ? EXIT.ok : EXIT.failure;
}

/** Solved examples from a file; one without an id is named by its line. */
function readExampleFile(path: string): TaskItem[] {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    throw new UsageError(`--examples ${path}: ${code === 'ENOENT' ? 'there is no such file' : message}`);
  }
  return parseTaskItems(text.split('\n').map(withId).join('\n'), path);
}

function withId(line: string, index: number): string {
  try {
    const json: unknown = JSON.parse(line);
    if (typeof json !== 'object' || json === null || Array.isArray(json) || 'id' in json) return line;
    return JSON.stringify({ id: String(index + 1), ...json });
  } catch {
    return line;
  }
}

const STAGES = {
  auto: SearchStage.AUTO,
  likelihood: SearchStage.LIKELIHOOD,
  generate: SearchStage.GENERATE,
} as const;

function exampleOf({ id, prompt, system, answers, maxTokens, verifier }: TaskItem) {
  return {
    id,
    prompt,
    system: system ?? '',
    verifier: canonicalJson(verifier),
    reference: answers[0] ?? '',
    maxTokens: maxTokens ?? 0,
  };
}
