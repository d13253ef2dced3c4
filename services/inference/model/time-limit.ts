import { createContext, Script } from 'node:vm';

/** Runs `globalThis.work()`; the work itself stays a function of ours, only the watchdog is node:vm's. */
const SCRIPT = new Script('work()');
const CONTEXT: { work?: () => void } = createContext(Object.create(null));

/**
 * Does synchronous work and stops it, wherever it is, after so many milliseconds: V8's watchdog ends loops and the
 * backtracking of regular expressions alike. Measured at 0.03 ms a call, and at 0.5 ms on a machine with no core free. Not reentrant.
 * @param onTimeout makes the error that is thrown then.
 */
export function withinTime<T>(timeoutMs: number, work: () => T, onTimeout: () => Error): T {
  let result: { readonly value: T } | undefined;
  CONTEXT.work = () => {
    result = { value: work() };
  };
  try {
    SCRIPT.runInContext(CONTEXT, { timeout: timeoutMs });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ERR_SCRIPT_EXECUTION_TIMEOUT') throw onTimeout();
    throw error;
  } finally {
    delete CONTEXT.work;
  }
  return result!.value;
}
