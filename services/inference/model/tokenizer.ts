import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Tokenizer } from '@huggingface/tokenizers';
import { ZmeshError } from '#shared/errors.js';
import { makeByteTable } from './byte-table.js';
import { type ChatTemplate, type ChatTurn, namedToken, readChatTemplate } from './chat-template.js';
import { parseJsonFields } from './json-fields.js';
import { type SealedTokens, sealTokens } from './sealed-tokens.js';
import { createStreamDecoder, type StreamDecoder } from './stream-decoder.js';
import { checkTokenizerJson, type TokenizerJson, tokenizerSize } from './tokenizer-json.js';

/** A model's tokenizer and chat template. Used from one thread. */
export interface ModelTokenizer {
  /** One more than the largest token id. */
  readonly vocabularySize: number;
  readonly hasChatTemplate: boolean;
  /** Id of `eos_token` in tokenizer_config.json; for chat models the end of a turn. */
  readonly eosTokenId: number | null;
  /**
   * Encodes raw text. `special`: as the checkpoint's own tokenizer does by default, with bos where the model has it, and
   * special tokens in the text are tokens. Not `special`: no bos, and special tokens in the text stay text.
   */
  encodeText(text: string, options: { readonly special: boolean }): number[];
  /**
   * Renders a conversation with the model's template and encodes it. Only the template's special tokens become tokens:
   * those that stand in a message's role or content stay text. `rendered` is what was encoded.
   * @throws ZmeshError NO_CHAT_TEMPLATE, TEMPLATE_FAILED.
   */
  encodeChat(
    messages: readonly ChatTurn[],
    options: { readonly generationPrompt: boolean },
  ): { readonly ids: number[]; readonly rendered: string };
  /** A decoder for one answer. */
  decoder(): StreamDecoder;
}

/**
 * Loads `tokenizer.json`, `tokenizer_config.json` and `chat_template.jinja` from a folder; null without a tokenizer.json.
 * @throws ZmeshError INVALID_FIELD for files that are damaged, or a tokenizer that is not reproduced exactly.
 */
export async function loadTokenizer(folder: string): Promise<ModelTokenizer | null> {
  const texts = new Map<string, string | null>();
  for (const name of ['tokenizer.json', 'tokenizer_config.json', 'chat_template.jinja']) {
    texts.set(name, await readOptional(join(folder, name)));
  }
  return tokenizerFrom((name) => texts.get(name) ?? null, folder);
}

/** As loadTokenizer, for files in memory; `from` is where they came from, for errors. */
export function tokenizerFrom(read: (name: string) => string | null, from: string): ModelTokenizer | null {
  const text = read('tokenizer.json');
  if (text === null) return null;
  const json = checkTokenizerJson(parseJsonFields(join(from, 'tokenizer.json'), text));
  const configText = read('tokenizer_config.json');
  const config =
    configText === null ? null : parseJsonFields(join(from, 'tokenizer_config.json'), configText);
  const template = readChatTemplate(read('chat_template.jinja'), config);
  return createTokenizer(json, template, namedToken(config, 'eos_token'));
}

function createTokenizer(
  json: TokenizerJson,
  template: ChatTemplate | null,
  eos: string | null,
): ModelTokenizer {
  const sealed = sealTokens(json);
  const encode = createEncoder(sealed);
  const table = makeByteTable(json);
  const eosToken = json.added_tokens.find(({ content }) => content === eos);
  return {
    vocabularySize: tokenizerSize(json),
    hasChatTemplate: template !== null,
    eosTokenId: eosToken?.id ?? null,
    encodeText: (text, { special }) => encode(special ? sealed.seal(text) : text, special),
    encodeChat(messages, { generationPrompt }) {
      if (template === null) {
        throw new ZmeshError('NO_CHAT_TEMPLATE', 'the model has no chat template; give text or token ids');
      }
      const hidden = messages.map(({ role, content }) => ({
        role: sealed.hide(role),
        content: sealed.hide(content),
      }));
      const text = template.render(hidden, generationPrompt);
      return { ids: encode(sealed.unhide(sealed.seal(text)), false), rendered: sealed.unhide(text) };
    },
    decoder: () => createStreamDecoder(table),
  };
}

function createEncoder(sealed: SealedTokens): (text: string, postProcess: boolean) => number[] {
  let tokenizer: Tokenizer;
  try {
    tokenizer = new Tokenizer(sealed.json, {});
  } catch (error) {
    const message = `tokenizer.json: ${(error as Error).message}`;
    throw new ZmeshError('INVALID_FIELD', message, { field: 'tokenizer.json', cause: error });
  }
  return (text, postProcess) => tokenizer.encode(text, { add_special_tokens: postProcess }).ids;
}

async function readOptional(path: string): Promise<string | null> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
}
