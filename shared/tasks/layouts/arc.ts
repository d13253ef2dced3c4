import type { Json } from '../item-faults.js';
import type { Layout } from './layout.js';

const LETTERS = 'ABCDEFGHIJ';

/**
 * ARC: `id`, `answerKey`, and the question with its choices as AI2 writes it (`question: {stem, choices: [{text, label}]}`) or
 * as the hub does (`question`, `choices: {text, label}`). Options are lettered from A in their order, whatever their labels.
 */
export const arc: Layout = {
  defaults: {
    system:
      'The following are multiple choice questions (with answers). Think step by step and then finish your answer with "the answer is (X)" where X is the correct letter choice.',
    maxTokens: 512,
  },
  toItem(row, { id, extraction }) {
    const parts = partsOf(row);
    const { answerKey } = row;
    if (!parts || typeof answerKey !== 'string')
      return 'needs question, choices with text and label, and answerKey';
    const { stem, texts, labels } = parts;
    if (texts.length < 2 || texts.length > LETTERS.length)
      return `must have 2 to ${LETTERS.length} choices, not ${texts.length}`;
    const right = labels.indexOf(answerKey);
    if (right < 0) return `answerKey ${JSON.stringify(answerKey)} is none of the labels ${labels.join(', ')}`;
    const options = texts.map((text, i) => `${LETTERS[i]}. ${text}\n`).join('');
    return {
      id: typeof row.id === 'string' ? row.id : id,
      prompt: `${stem}\nOptions:\n${options}`,
      answers: [`the answer is (${LETTERS[right]})`],
      verifier: {
        type: 'multiple-choice',
        value: extraction === 'official' ? answerKey : LETTERS[right],
        options: texts.length,
        extraction,
      },
    };
  },
};

function partsOf({
  question,
  choices,
}: Json): { stem: string; texts: string[]; labels: string[] } | undefined {
  if (typeof question === 'string') {
    const { text, label } = (choices ?? {}) as Json;
    if (!areTexts(text) || !areTexts(label) || text.length !== label.length) return undefined;
    return { stem: question, texts: text, labels: label };
  }
  const { stem, choices: listed } = (question ?? {}) as Json;
  if (typeof stem !== 'string' || !Array.isArray(listed)) return undefined;
  const texts = listed.map((choice: Json | null) => choice?.text);
  const labels = listed.map((choice: Json | null) => choice?.label);
  return areTexts(texts) && areTexts(labels) ? { stem, texts, labels } : undefined;
}

function areTexts(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((text) => typeof text === 'string');
}
