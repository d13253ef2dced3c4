import { ZmeshError } from '#shared/errors.js';
import type { ChatTurn } from './chat-template.js';
import type { ModelTokenizer } from './tokenizer.js';

/** Texts on which a pattern that backtracks without end shows: long runs of one kind of character, with another end. */
const PROBE_TEXTS: readonly string[] = [
  'The quick brown fox, 1234 times; it\u2019s fine.\n\n\t\u65e5\u672c\u8a9e \ud83d\ude42',
  ...['a', ' ', '1', '!', '\n', '\u00e9', '\u65e5', 'aA', 'a ', '1,'].flatMap((unit) => {
    const run = unit.repeat(64);
    return [run, `${run}\u0000`, `x${run}_`];
  }),
];

const user = (content: string): ChatTurn => ({ role: 'user', content });
const PROBE_CHATS: readonly (readonly ChatTurn[])[] = [
  [user('Hello')],
  [{ role: 'system', content: 'You are helpful.' }, user('Hello')],
  [user('Hello'), { role: 'assistant', content: 'Hi.' }, user('Bye')],
];

/**
 * Tries a tokenizer and its chat template when a model is imported, so that one that hangs, grows or fails on every
 * conversation is refused then and not at a user's request. Some templates refuse some conversations (no system message,
 * say): one that is rendered is enough, but none may cross a limit.
 * @throws ZmeshError INVALID_FIELD with the file and the fault.
 */
export function probeTokenizer(tokenizer: ModelTokenizer, file: string): void {
  try {
    for (const text of PROBE_TEXTS) tokenizer.encodeText(text, { special: false });
  } catch (error) {
    throw refusal(file, 'the tokenizer', error);
  }
  if (!tokenizer.hasChatTemplate) return;
  const faults: unknown[] = [];
  for (const messages of PROBE_CHATS) {
    try {
      tokenizer.encodeChat(messages, { generationPrompt: true });
    } catch (error) {
      if (!(error instanceof ZmeshError) || error.details.limit !== undefined)
        throw refusal(file, 'the chat template', error);
      faults.push(error);
    }
  }
  if (faults.length === PROBE_CHATS.length) throw refusal(file, 'the chat template', faults[0]);
}

function refusal(file: string, what: string, error: unknown): ZmeshError {
  const { message, details } = ZmeshError.from(error);
  const { limit, value } = details;
  const kept = { ...(limit === undefined ? {} : { limit }), ...(value === undefined ? {} : { value }) };
  return new ZmeshError('INVALID_FIELD', `${file}: ${what} cannot be served: ${message}`, {
    ...kept,
    cause: error,
  });
}
