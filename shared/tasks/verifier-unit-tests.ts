import { LANGUAGES, type Language } from '../sandbox/runtimes.js';
import { programOf } from './code.js';
import { sandboxOf } from './sandbox-of.js';
import { verdict } from './verdict.js';
import type { Verifier } from './verifier.js';
import { choiceFault } from './verifier-value.js';

/** A program that must pass tests, in the layouts of MBPP and HumanEval. */
export interface UnitTestsSpec {
  readonly language: Language;
  /** Name of the function that is tested. */
  readonly entry_point: string;
  /** The tests' program: it ends without an exception if all pass. It sees the answer's functions by their names. */
  readonly tests: string;
  /** What stands before the answer: imports, a signature with its comment. Default nothing. */
  readonly prompt?: string;
}

/**
 * The program in the answer must pass the tests. Both run in the sandbox, apart from each other: functions take and give plain
 * data (numbers, texts, lists, tuples, sets, dictionaries); a test cannot see what a function does to its arguments.
 * In Python, other names that the tests use and neither they nor the prompt define are the answer's too.
 */
export const unitTests: Verifier<UnitTestsSpec> = {
  fields: ['language', 'entry_point', 'tests', 'prompt'],
  language: ({ language }) => language,
  fault(spec) {
    const { language, tests, prompt = '' } = spec;
    if (language === undefined)
      return `verifier.language must be one of ${LANGUAGES.join(', ')}, not missing`;
    if (typeof tests !== 'string' || tests.trim() === '') return 'verifier.tests must be a program in a text';
    if (typeof prompt !== 'string') return 'verifier.prompt must be a text';
    return choiceFault(spec, 'language', LANGUAGES) ?? entryPointFault(spec);
  },
  async verify(answer, { language, entry_point: entryPoint, tests, prompt = '' }, tools) {
    const task = {
      judge: JSON.stringify({
        kind: 'tests',
        names: [entryPoint],
        prompt: language === 'python' ? prompt : '',
        tests,
      }),
      candidate: JSON.stringify({ program: programOf(answer, { language, prompt, entryPoint }) }),
    };
    const { passed, detail } = await sandboxOf(tools).run(language, task, tools.signal);
    return verdict(passed, detail);
  },
};

/** What is wrong with the name of a function; undefined = nothing. */
export function entryPointFault({
  entry_point: name,
}: Readonly<Record<string, unknown>>): string | undefined {
  if (typeof name === 'string' && /^[A-Za-z_]\w{0,127}$/.test(name)) return undefined;
  return `verifier.entry_point must be the name of a function, not ${JSON.stringify(name) ?? 'missing'}`;
}
