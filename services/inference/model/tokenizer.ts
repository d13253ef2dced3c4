import { join } from 'node:path';
import { Tokenizer } from '@huggingface/tokenizers';
import { type Reason, ZmeshError } from '#shared/errors.js';
import { oneLine } from '#shared/one-line.js';
import { makeByteTable } from './byte-table.js';
import { type ChatTemplate, type ChatTurn, namedToken, readChatTemplate } from './chat-template.js';
import { parseJsonFields } from './json-fields.js';
import { readTextFile } from './read-text-file.js';
import { type SealedTokens, sealTokens } from './sealed-tokens.js';
import { createStreamDecoder, type StreamDecoder } from './stream-decoder.js';
import { withinTime } from './time-limit.js';
import { checkTokenizerJson, type TokenizerJson, tokenizerSize } from './tokenizer-json.js';

/** Longest time of making a tokenizer; 262 144 made-up tokens took 1.4 s on a busy core. */
const MAKE_TIMEOUT_MS = 20_000;
/** Longest time of rendering and encoding, beside what the text's length asks for. */
const ENCODE_TIMEOUT_MS = 2000;
/** Time for each character more; measured are 1 (byte-level) to 9 µs (SentencePiece-like). */
const ENCODE_MS_PER_CHARACTER = 0.03;

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
   * @throws ZmeshError TOO_LARGE for a text that takes longer than 2 s and 30 µs a character: a pattern of the tokenizer
   *   that backtracks without end.
   */
  encodeText(text: string, options: { readonly special: boolean }): number[];
  /**
   * Renders a conversation with the model's template and encodes it. Only the template's special tokens become tokens:
   * those that stand in a message's role or content stay text. `rendered` is what was encoded.
   * @throws ZmeshError NO_CHAT_TEMPLATE, TEMPLATE_FAILED, TOO_LARGE as encodeText.
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
    texts.set(name, await readTextFile(join(folder, name)));
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
    encodeText: (text, { special }) =>
      bounded(
        text.length,
        () => 'TOO_LARGE',
        () => encode(special ? sealed.seal(text) : text, special),
      ),
    encodeChat(messages, { generationPrompt }) {
      if (template === null) {
        throw new ZmeshError('NO_CHAT_TEMPLATE', 'the model has no chat template; give text or token ids');
      }
      const hidden = messages.map(({ role, content }) => ({
        role: sealed.hide(role),
        content: sealed.hide(content),
      }));
      const characters = messages.reduce((sum, { role, content }) => sum + role.length + content.length, 0);
      let text: string | null = null;
      const reason = (): Reason => (text === null ? 'TEMPLATE_FAILED' : 'TOO_LARGE');
      return bounded(characters, reason, () => {
        text = template.render(hidden, generationPrompt);
        return { ids: encode(sealed.unhide(sealed.seal(text)), false), rendered: sealed.unhide(text) };
      });
    },
    decoder: () => createStreamDecoder(table),
  };
}

function createEncoder(sealed: SealedTokens): (text: string, postProcess: boolean) => number[] {
  let tokenizer: Tokenizer;
  const tooSlow = (): Error => new Error(`it is not read after ${MAKE_TIMEOUT_MS} ms`);
  try {
    tokenizer = withinTime(MAKE_TIMEOUT_MS, () => new Tokenizer(sealed.json, {}), tooSlow);
  } catch (error) {
    const message = `tokenizer.json: ${oneLine((error as Error).message)}`;
    throw new ZmeshError('INVALID_FIELD', message, { field: 'tokenizer.json', cause: error });
  }
  return (text, postProcess) => tokenizer.encode(text, { add_special_tokens: postProcess }).ids;
}

/** `reason` is asked when the time is over. */
function bounded<T>(characters: number, reason: () => Reason, work: () => T): T {
  const limit = Math.ceil(ENCODE_TIMEOUT_MS + ENCODE_MS_PER_CHARACTER * characters);
  return withinTime(limit, work, () => {
    const why = reason();
    const what =
      why === 'TEMPLATE_FAILED' ? 'the chat template is not rendered' : 'the text is not cut into tokens';
    const message = `${what} after ${limit} ms, the limit for ${characters} characters`;
    return new ZmeshError(why, message, { limit, value: characters });
  });
}
