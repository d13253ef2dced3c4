import { lastBoxed, officialLastBoxed } from '../math/boxed.js';
import type { Layout } from './layout.js';

/** MATH: `problem` and `solution`, which holds its answer in `\boxed{}`. */
export const math: Layout = {
  defaults: {
    system: 'Solve the question below by reasoning step by step,and put the final answer within \\boxed{}.',
    maxTokens: 1024,
  },
  toItem({ problem, solution }, { id, extraction }) {
    if (typeof problem !== 'string' || typeof solution !== 'string')
      return 'needs the texts problem and solution';
    const value = extraction === 'official' ? (officialLastBoxed(solution) ?? '') : lastBoxed(solution);
    if (value === undefined) return 'solution must hold its answer in \\boxed{}';
    return { id, prompt: problem, answers: [solution], verifier: { type: 'math', value, extraction } };
  },
};
