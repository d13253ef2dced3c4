import type { Layout } from './layout.js';

/** GSM8K: `question`, and `answer`, which ends `#### 72`. */
export const gsm8k: Layout = {
  defaults: {
    system:
      'Below is an instruction that describes a task. Write a response that appropriately completes the request.\n\n',
    maxTokens: 512,
  },
  toItem({ question, answer }, { id, extraction }) {
    if (typeof question !== 'string' || typeof answer !== 'string')
      return 'needs the texts question and answer';
    const value = answer.split('####').at(-1)!.trim();
    if (!answer.includes('####') || !/\d/.test(value)) return 'answer must end with "####" and a number';
    return { id, prompt: question, answers: [answer], verifier: { type: 'final-number', value, extraction } };
  },
};
