import type { Prompt } from '#proto/zmesh/v1/common.js';
import { type Reason, ZmeshError } from '#shared/errors.js';

/** Limits on one prompt. */
export interface PromptLimits {
  readonly messagesMax: number;
  /** Bytes, UTF-8; 4 for each token id. */
  readonly promptBytesMax: number;
}

/**
 * Checks a prompt's form and size; what it says is inference's to judge (template, vocabulary, context).
 * Throws MISSING_FIELD, INVALID_FIELD (too many messages) or TOO_LARGE.
 */
export function checkPrompt(prompt: Prompt | undefined, limits: PromptLimits): Prompt {
  const input = prompt?.input;
  if (!prompt || !input) throw missing('prompt', 'a prompt is required: chat, text or tokens');
  if (input.$case === 'chat') {
    const { messages } = input.value;
    if (messages.length === 0) throw missing('prompt.chat.messages', 'at least one message is required');
    if (messages.length > limits.messagesMax) {
      throw new ZmeshError(
        'INVALID_FIELD',
        `prompt.chat.messages: at most ${limits.messagesMax} messages are taken, not ${messages.length}`,
        { field: 'prompt.chat.messages', limit: limits.messagesMax, value: messages.length },
      );
    }
    const nameless = messages.findIndex(({ role }) => role === '');
    if (nameless >= 0) throw missing(`prompt.chat.messages[${nameless}].role`, 'a role is required');
  }
  const bytes = bytesOf(input);
  if (bytes > limits.promptBytesMax) {
    throw new ZmeshError(
      'TOO_LARGE',
      `prompt: at most ${limits.promptBytesMax} bytes are taken, not ${bytes}`,
      { field: 'prompt', limit: limits.promptBytesMax, value: bytes },
    );
  }
  return prompt;
}

function bytesOf(input: NonNullable<Prompt['input']>): number {
  if (input.$case === 'text') return Buffer.byteLength(input.value);
  if (input.$case === 'tokens') return 4 * input.value.ids.length;
  return input.value.messages.reduce(
    (bytes, { role, content }) => bytes + Buffer.byteLength(role) + Buffer.byteLength(content),
    0,
  );
}

function missing(field: string, what: string): ZmeshError {
  return new ZmeshError('MISSING_FIELD' satisfies Reason, `${field}: ${what}`, { field });
}
