import type { TaskDefaults } from '../defaults.js';
import type { Json } from '../item-faults.js';
import type { RowContext } from './layout.js';

/** What programs are asked for with. */
export const CODE_DEFAULTS: TaskDefaults = {
  system:
    'You are an exceptionally intelligent coding assistant that  consistently delivers accurate and reliable responses to user instructions.',
  maxTokens: 512,
};

/** Fields of EvalPlus that Python must read. */
export const EVALPLUS_RAW_FIELDS = ['base_input', 'plus_input'];

/** A verifier of EvalPlus's own form (`canonical_solution`, `base_input`, `plus_input`, `atol`), or what is wrong. */
export function evalPlusVerifier(
  row: Json,
  oracle: 'mbpp' | 'humaneval',
  { tests }: Pick<RowContext, 'tests'>,
): Json | string {
  const {
    task_id: task,
    prompt,
    entry_point,
    canonical_solution: solution,
    base_input,
    plus_input,
    atol = 0,
  } = row;
  if (![task, prompt, entry_point, solution, base_input].every((text) => typeof text === 'string'))
    return 'needs task_id, prompt, entry_point, canonical_solution and base_input';
  if (tests === 'plus' && typeof plus_input !== 'string') return 'has no plus_input';
  return {
    type: 'reference-outputs',
    entry_point,
    ...(oracle === 'humaneval' && { prompt }),
    solution: `${prompt}${solution}`,
    inputs: tests === 'plus' ? [base_input, plus_input] : [base_input],
    atol,
    oracle,
    task,
  };
}
