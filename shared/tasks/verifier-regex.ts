import { runInNewContext } from 'node:vm';
import { compared, verdict } from './verdict.js';
import type { Verifier } from './verifier.js';

/** A pattern that a right answer holds. */
export interface RegexSpec {
  /** JavaScript's regular expressions, Unicode on; found anywhere, so anchor it with `^` and `$` for the whole answer. */
  readonly pattern: string;
  /** Of `i`, `m` and `s`; default none. */
  readonly flags?: string;
}

/** How long one match may take: a pattern that backtracks for ever must not stop a run. */
const TIME_MAX_MS = 1000;

/** The pattern must be found in the answer. A match that takes more than a second counts as none. */
export const regex: Verifier<RegexSpec> = {
  fields: ['pattern', 'flags'],
  fault({ pattern, flags = '' }) {
    if (typeof pattern !== 'string' || pattern === '')
      return 'verifier.pattern must be a text that is not empty';
    if (typeof flags !== 'string' || !/^(?!.*(.).*\1)[ims]*$/.test(flags))
      return `verifier.flags must be some of i, m and s, each once, not ${JSON.stringify(flags)}`;
    try {
      new RegExp(pattern, `${flags}u`);
      return undefined;
    } catch (error) {
      return `verifier.pattern: ${(error as Error).message}`;
    }
  },
  verify(answer, { pattern, flags = '' }) {
    try {
      const found: unknown = runInNewContext(
        'new RegExp(pattern, flags).exec(answer)?.[0]',
        { pattern, flags: `${flags}u`, answer },
        { timeout: TIME_MAX_MS },
      );
      return compared(typeof found === 'string', found as string | undefined, `/${pattern}/${flags}`);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ERR_SCRIPT_EXECUTION_TIMEOUT') throw error;
      return verdict(false, `the pattern was not matched within ${TIME_MAX_MS} ms`);
    }
  },
};
