import { programOf } from './code.js';
import { sandboxOf } from './sandbox-of.js';
import { verdict } from './verdict.js';
import type { Verifier } from './verifier.js';
import { entryPointFault } from './verifier-unit-tests.js';
import { choiceFault } from './verifier-value.js';

const ORACLES = ['equal', 'mbpp', 'humaneval'] as const;

/** A Python function that must give what a reference gives, in EvalPlus's layout. */
export interface ReferenceOutputsSpec {
  /** Name of the function. */
  readonly entry_point: string;
  /** What stands before the answer: imports, a signature with its comment. Default nothing. */
  readonly prompt?: string;
  /** The reference's whole program. */
  readonly solution: string;
  /** Lists of inputs as JSON texts: each input is the list of arguments of one call. Texts, for JSON of Python tells 1.0 from 1. */
  readonly inputs: readonly string[];
  /** How far a float may be off. Default 0, which EvalPlus takes for 1e-6 where the reference gives floats. */
  readonly atol?: number;
  /** Whose exceptions hold: a few tasks of EvalPlus accept more than one result. Default `equal`: none. */
  readonly oracle?: (typeof ORACLES)[number];
  /** Id of the task in its data; inputs of `Mbpp/…` get the types that the task takes. Default none. */
  readonly task?: string;
}

/** The answer's function must give what the reference gives on every input, compared as EvalPlus 0.3.1 does. Sandbox as `unit-tests`. */
export const referenceOutputs: Verifier<ReferenceOutputsSpec> = {
  fields: ['entry_point', 'prompt', 'solution', 'inputs', 'atol', 'oracle', 'task'],
  language: () => 'python',
  fault(spec) {
    const { solution, inputs, atol = 0, prompt = '', task = '' } = spec;
    if (typeof solution !== 'string' || solution.trim() === '')
      return 'verifier.solution must be a program in a text';
    if (!(Array.isArray(inputs) && inputs.length > 0 && inputs.every((text) => typeof text === 'string')))
      return 'verifier.inputs must be a list of texts, JSON each, that is not empty';
    if (typeof prompt !== 'string' || typeof task !== 'string')
      return 'verifier.prompt and task must be texts';
    if (!(typeof atol === 'number' && atol >= 0))
      return `verifier.atol must be a number from 0 on, not ${JSON.stringify(atol)}`;
    return choiceFault(spec, 'oracle', ORACLES) ?? entryPointFault(spec);
  },
  async verify(answer, spec, tools) {
    const {
      entry_point: entryPoint,
      prompt = '',
      solution,
      inputs,
      atol = 0,
      oracle = 'equal',
      task = '',
    } = spec;
    const judge = { kind: 'reference', entryPoint, solution, inputs, atol, oracle, task };
    const program = programOf(answer, { language: 'python', prompt, entryPoint });
    const trial = { judge: JSON.stringify(judge), candidate: JSON.stringify({ program }) };
    const { passed, detail } = await sandboxOf(tools).run('python', trial, tools.signal);
    return verdict(passed, detail);
  },
};
