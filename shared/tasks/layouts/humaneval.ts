import { CODE_DEFAULTS, EVALPLUS_RAW_FIELDS, evalPlusVerifier } from './code.js';
import type { Layout } from './layout.js';

/**
 * HumanEval (`prompt`, `entry_point`, `test` with `check`), EvalPlus's HumanEval+ (`base_input` too, which then counts), and
 * the JavaScript of HumanEval-X (`task_id` `JavaScript/…`, `declaration`, `test` that calls its own functions).
 */
export const humanEval: Layout = {
  defaults: CODE_DEFAULTS,
  rawFields: EVALPLUS_RAW_FIELDS,
  toItem(row, context) {
    const { task_id: id, prompt, canonical_solution: solution, test, base_input } = row;
    if (typeof id !== 'string' || typeof prompt !== 'string' || typeof solution !== 'string')
      return 'needs task_id, prompt and canonical_solution';
    const language = id.startsWith('JavaScript/') ? 'javascript' : 'python';
    const asked = {
      id,
      prompt: `Write a solution to the following problem:\n\`\`\`${language}\n${prompt.trim()}\n\`\`\``,
      answers: [solution],
    };
    if (base_input !== undefined) {
      const verifier = evalPlusVerifier(row, 'humaneval', context);
      return typeof verifier === 'string' ? verifier : { ...asked, verifier };
    }
    if (context.tests === 'plus')
      return 'has no plus_input: the added tests come in the form of EvalPlus alone';
    if (typeof test !== 'string') return 'needs test (or base_input, as EvalPlus has it)';
    const name = row.entry_point ?? /(?:const|function)\s+(\w+)/.exec(String(row.declaration ?? ''))?.[1];
    if (typeof name !== 'string') return 'needs entry_point, or a declaration that names the function';
    const tests = language === 'python' ? `${test}\n\ncheck(${name})\n` : test;
    return { ...asked, verifier: { type: 'unit-tests', language, entry_point: name, prompt, tests } };
  },
};
