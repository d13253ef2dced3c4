import { ZmeshError } from '#shared/errors.js';
import { oneLine } from '#shared/one-line.js';
import type { JsonFields } from './json-fields.js';
import { limitsFor, TemplateBudget } from './template/budget.js';
import { templateGlobals } from './template/globals.js';
import { BoundedInterpreter } from './template/interpreter.js';
import { parseTemplate, type TemplateNode } from './template/library.js';
import { withinTime } from './time-limit.js';

/** Longest template, characters; chosen far above what a conversation's format takes. */
const SOURCE_LENGTH_MAX = 1_048_576;
/** Longest time of compiling a template. */
const COMPILE_TIMEOUT_MS = 2000;

/** One message of a conversation. */
export interface ChatTurn {
  readonly role: string;
  readonly content: string;
}

/** A model's chat template. */
export interface ChatTemplate {
  /**
   * The conversation as the model wants it. What the template may use is bounded (`template/budget.ts`); the time is not,
   * so call it inside `withinTime`.
   * @throws ZmeshError TEMPLATE_FAILED if the template refuses the messages, with its own words, or crosses a limit, with
   *   limit and value.
   */
  render(messages: readonly ChatTurn[], generationPrompt: boolean): string;
}

/** Names under which templates know special tokens. */
const TOKEN_NAMES = [
  'bos_token',
  'eos_token',
  'unk_token',
  'pad_token',
  'sep_token',
  'cls_token',
  'mask_token',
];

/**
 * Finds and compiles the template: `chat_template.jinja`, else `chat_template` of `tokenizer_config.json` (a text, or a list
 * of named ones of which `default` is taken); null if there is none.
 * @throws ZmeshError INVALID_FIELD for a template that is not Jinja.
 */
export function readChatTemplate(file: string | null, config: JsonFields | null): ChatTemplate | null {
  const source = file ?? templateOf(config?.fields.chat_template);
  if (source === null) return null;
  const program = compile(source);
  const tokens = specialTokens(config);
  return {
    render(messages, generationPrompt) {
      const variables = { ...tokens, messages, add_generation_prompt: generationPrompt };
      const budget = new TemplateBudget(limitsFor(charactersOf(messages)));
      try {
        const environment = templateGlobals(variables, budget);
        return new BoundedInterpreter(environment, budget).run(program).toString();
      } catch (error) {
        if (error instanceof ZmeshError) throw error;
        const message = `the chat template refused the messages: ${oneLine((error as Error).message)}`;
        throw new ZmeshError('TEMPLATE_FAILED', message, { cause: error });
      }
    },
  };
}

/** The text of a special token named in `tokenizer_config.json` (`eos_token`): a string, or an object with `content`. */
export function namedToken(config: JsonFields | null, name: string): string | null {
  const value = config?.fields[name];
  const text = typeof value === 'object' && value !== null ? (value as { content?: unknown }).content : value;
  return typeof text === 'string' ? text : null;
}

function templateOf(value: unknown): string | null {
  if (value === undefined || value === null) return null;
  if (typeof value === 'string') return value;
  const named = Array.isArray(value)
    ? (value as readonly ({ name?: unknown; template?: unknown } | null)[])
    : [];
  const template = named.find((entry) => entry?.name === 'default')?.template;
  if (typeof template === 'string') return template;
  if (Array.isArray(value)) return null;
  throw badTemplate('`chat_template` is neither a text nor a list of named ones');
}

function compile(source: string): TemplateNode {
  if (source.length > SOURCE_LENGTH_MAX) {
    throw badTemplate(`it has ${source.length} characters, the limit is ${SOURCE_LENGTH_MAX}`);
  }
  const tooSlow = (): Error => badTemplate(`it is not compiled after ${COMPILE_TIMEOUT_MS} ms`);
  try {
    return withinTime(COMPILE_TIMEOUT_MS, () => parseTemplate(source), tooSlow);
  } catch (error) {
    if (error instanceof ZmeshError) throw error;
    throw badTemplate(oneLine((error as Error).message), error);
  }
}

function badTemplate(fault: string, cause?: unknown): ZmeshError {
  const message = `the chat template is not valid: ${fault}`;
  return new ZmeshError('INVALID_FIELD', message, { field: 'chat_template', cause });
}

function charactersOf(messages: readonly ChatTurn[]): number {
  return messages.reduce((sum, { role, content }) => sum + role.length + content.length, 0);
}

function specialTokens(config: JsonFields | null): Record<string, string> {
  const tokens: Record<string, string> = {};
  for (const name of TOKEN_NAMES) {
    const text = namedToken(config, name);
    if (text !== null) tokens[name] = text;
  }
  return tokens;
}
