import type { ChatMessage, Prompt } from '#proto/zmesh/v1/common.js';
import type { ServedModel } from '#proto/zmesh/v1/inference.js';
import { ZmeshError } from '#shared/errors.js';
import { OTHER } from '#shared/svf/names.js';
import type { RoutedLabel } from './routing.js';

/**
 * The conversation that asks the model for the label of a prompt: a system message with the instruction, then the prompt's
 * messages but for its own system messages; a raw text goes in as a user's message.
 * Throws INVALID_FIELD for token ids and MISSING_FIELD where there is nothing to classify.
 */
export function instructionFor(prompt: Prompt, model: ServedModel, labels: readonly RoutedLabel[]): Prompt {
  const system = { role: 'system', content: model.classificationSystem || generalInstruction(labels) };
  return { input: { $case: 'chat', value: { messages: [system, ...questionOf(prompt)] } } };
}

/** The instruction for models that bring none: every label with its description, and `other`. */
export function generalInstruction(labels: readonly RoutedLabel[]): string {
  const lines = labels.map(({ label, description }) =>
    description === '' ? `- ${label}` : `- ${label}: ${description}`,
  );
  return [
    'Decide which category the conversation below belongs to. Answer with the name of the category and nothing else.',
    'Categories:',
    ...lines,
    `- ${OTHER}: none of the above`,
  ].join('\n');
}

function questionOf({ input }: Prompt): ChatMessage[] {
  if (input?.$case === 'text') return [{ role: 'user', content: input.value }];
  if (input?.$case !== 'chat') {
    throw new ZmeshError(
      'INVALID_FIELD',
      'prompt.tokens: token ids cannot be put into the instruction of pass 1; give messages or text, or the strategy none, expert or mixture',
      { field: 'prompt.tokens' },
    );
  }
  const messages = input.value.messages.filter((message) => message.role !== 'system');
  if (messages.length > 0) return messages;
  throw new ZmeshError(
    'MISSING_FIELD',
    'prompt.chat.messages: nothing but system messages, pass 1 has no question',
    {
      field: 'prompt.chat.messages',
    },
  );
}
