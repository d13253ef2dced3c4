import { CODE_DEFAULTS, EVALPLUS_RAW_FIELDS, evalPlusVerifier } from './code.js';
import type { Layout } from './layout.js';

/**
 * MBPP in three forms: EvalPlus's MBPP+ (`base_input`), the original (`text`, `code`, `test_list`), and the sanitised one or
 * the hub's MBPP+ (`prompt`, `code`, `test_list`, `test_imports`).
 */
export const mbpp: Layout = {
  defaults: CODE_DEFAULTS,
  rawFields: EVALPLUS_RAW_FIELDS,
  toItem(row, context) {
    if (row.base_input !== undefined) {
      const verifier = evalPlusVerifier(row, 'mbpp', context);
      if (typeof verifier === 'string') return verifier;
      const { task_id: id, prompt, canonical_solution: solution } = row as Record<string, string>;
      return { id, prompt: instruction(...plusParts(prompt!)), answers: [solution], verifier };
    }
    const { task_id: number, text, prompt = text, code, test_list: tests, test_setup_code: setup = '' } = row;
    const imports = row.test_imports ?? [];
    if (typeof prompt !== 'string' || typeof code !== 'string' || !areTexts(tests) || tests.length === 0)
      return 'needs text or prompt, code and test_list (or base_input, as EvalPlus has it)';
    if (typeof setup !== 'string' || !areTexts(imports))
      return 'test_setup_code and test_imports must be texts';
    if (context.tests === 'plus')
      return 'has no plus_input: the added tests come in the form of EvalPlus alone';
    const name = testedFunction(code, tests);
    if (name === undefined) return 'test_list must call a function that code defines';
    return {
      id: number === undefined ? context.id : `Mbpp/${number}`,
      prompt: instruction(prompt.trim(), tests[0]!),
      answers: [code],
      verifier: {
        type: 'unit-tests',
        language: 'python',
        entry_point: name,
        tests: [...imports, setup, ...tests].filter((part) => part.trim() !== '').join('\n'),
      },
    };
  },
};

/** As Transformer²'s code asks. */
function instruction(text: string, assertion: string): string {
  const sentence = text.endsWith('.') ? text : `${text}.`;
  return `${sentence} Your code should satisfy the following assertion:\n\`\`\`python\n${assertion}\n\`\`\``;
}

/** MBPP+'s prompt is a comment: what to do, then an assertion. */
function plusParts(prompt: string): [text: string, assertion: string] {
  const [start, end] = [prompt.indexOf('"""') + 3, prompt.lastIndexOf('"""')];
  const inside = end > start ? prompt.slice(start, end) : prompt;
  const at = inside.indexOf('assert');
  return at < 0 ? [inside.trim(), ''] : [inside.slice(0, at).trim(), inside.slice(at).trim()];
}

/** The last function of the solution that the tests name. */
function testedFunction(code: string, tests: readonly string[]): string | undefined {
  const names = [...code.matchAll(/^def[ \t]+(\w+)/gm)].map(([, name]) => name!);
  return names.filter((name) => new RegExp(`\\b${name}\\s*\\(`).test(tests.join('\n'))).at(-1);
}

function areTexts(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((text: unknown) => typeof text === 'string');
}
