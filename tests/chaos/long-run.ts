import type { Cleanup } from '../support/cleanup.js';
import { createReport, type Report } from './report.js';

/** What a long test has at hand. */
export interface LongRun extends Cleanup {
  readonly report: Report;
  /** Does what was registered with `after`, the last first. */
  cleanUp(): Promise<void>;
}

/** Numbers of the signals that end a run early. */
const SIGNALS = { SIGINT: 2, SIGTERM: 15 } as const;
type StopSignal = keyof typeof SIGNALS;

/**
 * Runs a long test to its end, cleans up, keeps its report, and sets exit status 0, or 1 if it found faults. `work` returns what
 * was not tested, to be told with the verdict. On Ctrl-C or SIGTERM the report so far is kept, what the test started is stopped
 * and the process exits with 130 or 143; further signals change nothing.
 */
export async function longRun(
  name: string,
  work: (run: LongRun) => Promise<string | undefined>,
): Promise<void> {
  const report = createReport(name);
  const steps: (() => Promise<void> | void)[] = [];
  const doSteps = async (): Promise<void> => {
    for (const step of steps.splice(0).reverse()) {
      // A step that fails keeps no other one from its turn.
      try {
        await step();
      } catch (error) {
        report.fault(told(error));
      }
    }
  };
  let cleaning = Promise.resolve();
  const cleanUp = (): Promise<void> => {
    cleaning = cleaning.then(doSteps);
    return cleaning;
  };
  let stopped = false;
  const after: Cleanup['after'] = (fn) => {
    // Nothing is started any more that nobody would stop.
    if (stopped) throw new Error('the test was stopped');
    steps.push(fn);
  };
  const signalled = stopSignal();
  let untested: string | undefined;
  const working = work({ report, cleanUp, after }).then(
    (text) => {
      untested = text;
    },
    (error: unknown) => report.fault(told(error)),
  );
  const finished = working.then(cleanUp).then(() => undefined);
  const signal = await Promise.race([finished, signalled]);
  stopped = signal !== undefined;
  const verdict = report.faults.length === 0 ? 'no faults' : `${report.faults.length} faults`;
  const rest = signal ? ' so far: not finished' : untested === undefined ? '' : `; ${untested}`;
  report.say(`${signal ? `stopped by ${signal}: ` : ''}${verdict}${rest}`);
  process.stdout.write(`kept in ${report.keep()}\n`);
  process.exitCode = report.faults.length === 0 ? 0 : 1;
  if (!signal) return;
  // The test goes on meanwhile and sees its mesh go.
  process.on('unhandledRejection', () => {});
  await cleanUp();
  process.exit(128 + SIGNALS[signal]);
}

function stopSignal(): Promise<StopSignal> {
  return new Promise((resolve) => {
    for (const signal of Object.keys(SIGNALS) as StopSignal[]) process.on(signal, () => resolve(signal));
  });
}

function told(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
