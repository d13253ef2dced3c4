import { Template } from '@huggingface/jinja';
import { ZmeshError } from '#shared/errors.js';
import type { JsonFields } from './json-fields.js';

/** One message of a conversation. */
export interface ChatTurn {
  readonly role: string;
  readonly content: string;
}

/** A model's chat template. */
export interface ChatTemplate {
  /**
   * The conversation as the model wants it.
   * @throws ZmeshError TEMPLATE_FAILED if the template refuses the messages, with its own words.
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
  const template = compile(source);
  const tokens = specialTokens(config);
  return {
    render(messages, generationPrompt) {
      try {
        return template.render({ ...tokens, messages, add_generation_prompt: generationPrompt });
      } catch (error) {
        const message = `the chat template refused the messages: ${(error as Error).message}`;
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
  if (typeof value === 'string') return value;
  if (!Array.isArray(value)) return null;
  const named = value as readonly { name?: unknown; template?: unknown }[];
  const template = named.find((entry) => entry?.name === 'default')?.template;
  return typeof template === 'string' ? template : null;
}

function compile(source: string): Template {
  try {
    return new Template(source);
  } catch (error) {
    const message = `the chat template is not valid: ${(error as Error).message}`;
    throw new ZmeshError('INVALID_FIELD', message, { field: 'chat_template', cause: error });
  }
}

function specialTokens(config: JsonFields | null): Record<string, string> {
  const tokens: Record<string, string> = {};
  for (const name of TOKEN_NAMES) {
    const text = namedToken(config, name);
    if (text !== null) tokens[name] = text;
  }
  return tokens;
}
