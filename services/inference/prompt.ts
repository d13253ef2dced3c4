import type { Chat, Prompt } from '#proto/zmesh/v1/common.js';
import { ZmeshError } from '#shared/errors.js';
import { fault } from '#shared/field.js';
import type { ModelTokenizer } from './model/tokenizer.js';
import type { ServedModel } from './served-model.js';

/** Most messages of a conversation. */
const MESSAGES_MAX = 4096;

/** A prompt as token ids. */
export interface EncodedPrompt {
  readonly ids: Int32Array;
  /** The text that was encoded; empty for token ids. */
  readonly rendered: string;
}

/**
 * Encodes a prompt. Throws MISSING_FIELD, INVALID_FIELD, TOO_LARGE, TOKEN_OUT_OF_RANGE, NO_TOKENIZER, NO_CHAT_TEMPLATE or
 * TEMPLATE_FAILED. The length is not checked against the context. `field` is what errors call the prompt.
 */
export function encodePrompt(
  model: ServedModel,
  prompt: Prompt | undefined,
  maxBytes: number,
  field = 'prompt',
): EncodedPrompt {
  const input = prompt?.input;
  if (!input) throw fault(field, 'is required: chat, text or tokens', {}, 'MISSING_FIELD');
  const encoded = encode(model, input, { maxBytes, field });
  if (encoded.ids.length === 0)
    throw fault(`${field}.${input.$case}`, 'has no tokens', { value: 0, limit: 1 });
  return encoded;
}

/** Encodes text without special tokens. Throws TOO_LARGE or NO_TOKENIZER. */
export function encodePlain(model: ServedModel, text: string, field: string, maxBytes: number): Int32Array {
  checkBytes(field, Buffer.byteLength(text), maxBytes);
  return Int32Array.from(tokenizerOf(model).encodeText(text, { special: false }));
}

/** Checks token ids against the vocabulary. Throws TOKEN_OUT_OF_RANGE. */
export function checkIds(model: ServedModel, ids: readonly number[], field: string): Int32Array {
  const { vocabularySize } = model.engine.info;
  const bad = ids.findIndex((id) => id >= vocabularySize);
  if (bad < 0) return Int32Array.from(ids);
  const details = { limit: vocabularySize - 1, value: ids[bad]! };
  throw fault(
    `${field}[${bad}]`,
    `token id ${ids[bad]} is above ${vocabularySize - 1}`,
    details,
    'TOKEN_OUT_OF_RANGE',
  );
}

function encode(
  model: ServedModel,
  input: NonNullable<Prompt['input']>,
  { maxBytes, field }: { readonly maxBytes: number; readonly field: string },
): EncodedPrompt {
  switch (input.$case) {
    case 'tokens':
      return { ids: checkIds(model, input.value.ids, `${field}.tokens.ids`), rendered: '' };
    case 'text': {
      checkBytes(`${field}.text`, Buffer.byteLength(input.value), maxBytes);
      const ids = tokenizerOf(model).encodeText(input.value, { special: true });
      return { ids: Int32Array.from(ids), rendered: input.value };
    }
    case 'chat': {
      checkChat(input.value, maxBytes, `${field}.chat.messages`);
      const { ids, rendered } = tokenizerOf(model).encodeChat(input.value.messages, {
        generationPrompt: true,
      });
      return { ids: Int32Array.from(ids), rendered };
    }
  }
}

function checkChat({ messages }: Chat, maxBytes: number, field: string): void {
  if (messages.length < 1 || messages.length > MESSAGES_MAX) {
    const limit = `[1, ${MESSAGES_MAX}]`;
    throw fault(field, `there must be ${limit} messages, not ${messages.length}`, {
      limit,
      value: messages.length,
    });
  }
  const roleless = messages.findIndex(({ role }) => role === '');
  if (roleless >= 0) throw fault(`${field}[${roleless}].role`, 'is required', {}, 'MISSING_FIELD');
  checkBytes(
    field,
    messages.reduce((sum, { content }) => sum + Buffer.byteLength(content), 0),
    maxBytes,
  );
}

function checkBytes(field: string, bytes: number, maxBytes: number): void {
  if (bytes <= maxBytes) return;
  throw fault(
    field,
    `has ${bytes} bytes; the limit is ${maxBytes}`,
    { limit: maxBytes, value: bytes },
    'TOO_LARGE',
  );
}

function tokenizerOf({ tokenizer, prepared }: ServedModel): ModelTokenizer {
  if (tokenizer) return tokenizer;
  throw new ZmeshError('NO_TOKENIZER', `model ${prepared.name} has no tokenizer; give token ids`, {
    names: { model: prepared.name },
  });
}
