import { readFileSync } from 'node:fs';
import { Priority, type Prompt, type Sampling } from '#proto/zmesh/v1/common.js';
import { type FirstPass, FirstPassBlend, FirstPassMode, type Strategy } from '#proto/zmesh/v1/dispatcher.js';
import { type Options, UsageError, type Values } from './command.js';
import type { Io } from './io.js';
import { choiceOption, numberOption, seedOption } from './values.js';

/** Options that choose a model and a mixture. */
export const STRATEGY_OPTIONS = {
  model: { type: 'string', value: 'NAME', help: 'the model (default: the only one served)' },
  strategy: {
    type: 'string',
    short: 's',
    value: 'NAME',
    help: 'none, prompt, classifier or auto (default: the deployment’s)',
  },
  expert: {
    type: 'string',
    short: 'e',
    value: 'NAME',
    help: 'answer with this expert: name[@alias|@version]',
  },
  mix: {
    type: 'string',
    value: 'ARMS',
    help: 'answer with a mixture: math=0.7,code=0.3 (base is the unadapted model)',
  },
  adaptation: {
    type: 'string',
    value: 'NAME',
    help: 'answer with the mixture that was found for a task: name[@alias|@version]',
  },
  'first-pass': { type: 'string', value: 'MODE', help: 'how pass 1 finds the label: score or generate' },
  blend: { type: 'string', value: 'HOW', help: 'what pass 1 makes of it: top or probability' },
  abstain: { type: 'string', value: 'P', help: 'below this probability of the label the base answers' },
} as const satisfies Options;

/** Options that say what the question is. */
export const PROMPT_OPTIONS = {
  system: { type: 'string', value: 'TEXT', help: 'system message before the question' },
  messages: {
    type: 'string',
    value: 'FILE',
    help: 'a conversation instead: JSON list of {"role", "content"}',
  },
  raw: { type: 'boolean', help: 'the question is raw text: no chat template' },
  tokens: { type: 'string', value: 'IDS', help: 'token ids instead of a question: 1,2,3' },
} as const satisfies Options;

/** Options of sampling. */
export const SAMPLING_OPTIONS = {
  'max-tokens': {
    type: 'string',
    value: 'N',
    help: 'most new tokens (default 256 or what the context leaves)',
  },
  temperature: { type: 'string', value: 'T', help: '0 = greedy (default 0)' },
  'top-k': { type: 'string', value: 'K', help: 'keep the K most probable tokens (default off)' },
  'top-p': { type: 'string', value: 'P', help: 'keep tokens up to this total probability (default off)' },
  'min-p': { type: 'string', value: 'P', help: 'drop tokens below this share of the best one (default off)' },
  'repetition-penalty': { type: 'string', value: 'R', help: 'above 1 discourages repetition (default 1)' },
  seed: { type: 'string', value: 'N', help: 'seed of the draws (default random; the receipt tells it)' },
  stop: { type: 'string', multiple: true, value: 'TEXT', help: 'end before this text' },
  'ignore-eos': { type: 'boolean', help: 'go on past the end of the turn' },
  'log-probs': { type: 'boolean', help: 'log-probability of each token (with --json)' },
} as const satisfies Options;

/** The prompt that the options and arguments describe; the question comes from stdin if it is not an argument. */
export async function promptOf(
  question: string | undefined,
  values: Values<typeof PROMPT_OPTIONS>,
  io: Io,
): Promise<Prompt> {
  const given = [question !== undefined, values.messages !== undefined, values.tokens !== undefined];
  if (given.filter(Boolean).length > 1)
    throw new UsageError('give one of a question, --messages and --tokens');
  if (values.tokens !== undefined)
    return { input: { $case: 'tokens', value: { ids: tokenIds(values.tokens) } } };
  if (values.messages !== undefined) {
    const messages = readMessages(values.messages);
    return { input: { $case: 'chat', value: { messages } } };
  }
  const content = question ?? (await readInput(io));
  if (values.raw) return { input: { $case: 'text', value: content } };
  const system = values.system === undefined ? [] : [{ role: 'system', content: values.system }];
  return { input: { $case: 'chat', value: { messages: [...system, { role: 'user', content }] } } };
}

/** The strategy that the options describe; undefined = the deployment's default. */
export function strategyOf(values: Values<typeof STRATEGY_OPTIONS>): Strategy | undefined {
  if (values.strategy === 'expert')
    throw new UsageError('--strategy expert: name the expert with --expert NAME');
  if (values.strategy === 'adaptation')
    throw new UsageError('--strategy adaptation: name the adaptation with --adaptation NAME');
  if (values.strategy === 'mixture')
    throw new UsageError('--strategy mixture: give the mixture with --mix ARMS');
  const name = choiceOption('strategy', values.strategy, ['none', 'prompt', 'classifier', 'auto']);
  const { expert, mix, adaptation } = values;
  const named = [expert, mix, adaptation].filter((one) => one !== undefined).length;
  if (named + Number(name !== undefined) > 1)
    throw new UsageError('give one of --strategy, --expert, --mix and --adaptation');
  const firstPass = firstPassOf(values);
  if (firstPass && (named > 0 || name === 'none'))
    throw new UsageError('--first-pass, --blend and --abstain need a strategy with a first pass');
  if (expert !== undefined) return { kind: { $case: 'expert', value: { expert } } };
  if (mix !== undefined)
    return { kind: { $case: 'mixture', value: { mixture: { arms: mixtureArms(mix) } } } };
  if (adaptation !== undefined) return { kind: { $case: 'adaptation', value: { adaptation } } };
  switch (name) {
    case 'none':
      return { kind: { $case: 'none', value: {} } };
    case 'prompt':
      return { kind: { $case: 'prompt', value: { firstPass } } };
    case 'classifier':
      return { kind: { $case: 'classifier', value: { firstPass, expert: '' } } };
    case 'auto':
      return { kind: { $case: 'auto', value: { firstPass } } };
    case undefined:
      if (firstPass) throw new UsageError('--first-pass, --blend and --abstain need --strategy');
      return undefined;
  }
}

/** The sampling that the options describe. */
export function samplingOf(values: Values<typeof SAMPLING_OPTIONS>): Sampling {
  return {
    maxTokens: numberOption('max-tokens', values['max-tokens'], { min: 1, max: 2 ** 32 - 1, integer: true }),
    temperature: numberOption('temperature', values.temperature, { min: 0, max: 100 }),
    topK: numberOption('top-k', values['top-k'], { min: 0, max: 2 ** 32 - 1, integer: true }),
    topP: numberOption('top-p', values['top-p'], { min: 0, max: 1 }),
    minP: numberOption('min-p', values['min-p'], { min: 0, max: 1 }),
    repetitionPenalty: numberOption('repetition-penalty', values['repetition-penalty'], { min: 0, max: 10 }),
    seed: seedOption(values.seed),
    stop: [...values.stop],
    ignoreEos: values['ignore-eos'],
    logProbs: values['log-probs'],
    topLogProbs: 0,
  };
}

/** The queue: `--batch` waits behind interactive requests. */
export function priorityOf(batch: boolean): Priority {
  return batch ? Priority.BATCH : Priority.INTERACTIVE;
}

function firstPassOf(values: Values<typeof STRATEGY_OPTIONS>): FirstPass | undefined {
  const mode = choiceOption('first-pass', values['first-pass'], ['score', 'generate']);
  const blend = choiceOption('blend', values.blend, ['top', 'probability']);
  const abstainThreshold = numberOption('abstain', values.abstain, { min: 0, max: 1 });
  if (mode === undefined && blend === undefined && abstainThreshold === undefined) return undefined;
  return {
    mode: mode === undefined ? FirstPassMode.UNSPECIFIED : MODES[mode],
    blend: blend === undefined ? FirstPassBlend.UNSPECIFIED : BLENDS[blend],
    abstainThreshold,
  };
}

const MODES = { score: FirstPassMode.SCORE, generate: FirstPassMode.GENERATE } as const;
const BLENDS = { top: FirstPassBlend.TOP, probability: FirstPassBlend.PROBABILITY } as const;

function mixtureArms(text: string) {
  return text.split(',').map((part) => {
    const [expert = '', weight, ...rest] = part.split('=').map((piece) => piece.trim());
    const alpha = Number(weight);
    if (expert === '' || !weight || rest.length > 0 || !Number.isFinite(alpha))
      throw new UsageError(`--mix is a list like math=0.7,code=0.3; "${part}" is not an arm`);
    return { expert, alpha, alphaPerMatrix: {} };
  });
}

function tokenIds(text: string): number[] {
  return text.split(',').map((part) => {
    const id = Number(part.trim());
    if (part.trim() === '' || !Number.isInteger(id) || id < 0 || id >= 2 ** 32)
      throw new UsageError(`--tokens is a list like 1,2,3; "${part}" is not a token id`);
    return id;
  });
}

function readMessages(file: string) {
  let value: unknown;
  try {
    value = JSON.parse(readFileSync(file, 'utf8'));
  } catch (error) {
    throw new UsageError(`--messages ${file}: ${(error as Error).message}`);
  }
  if (!Array.isArray(value) || !value.every(isMessage))
    throw new UsageError(`--messages ${file}: not a JSON list of {"role": "…", "content": "…"}`);
  return value.map(({ role, content }) => ({ role, content }));
}

function isMessage(value: unknown): value is { role: string; content: string } {
  const message = value as { role?: unknown; content?: unknown } | null;
  return typeof message?.role === 'string' && typeof message.content === 'string';
}

async function readInput(io: Io): Promise<string> {
  if (io.input.isTTY) throw new UsageError('give a question as the argument or on stdin');
  const chunks: Buffer[] = [];
  for await (const chunk of io.input) chunks.push(Buffer.from(chunk as Buffer));
  const text = Buffer.concat(chunks)
    .toString('utf8')
    .replace(/\r?\n$/, '');
  if (text === '') throw new UsageError('the question on stdin is empty');
  return text;
}
