import { oneLine } from '../one-line.js';
import { type BoxedProcess, type Ending, type Listener, READY } from './boxed-process.js';
import type { Limits } from './limits.js';

/** What came of a trial. */
export interface TrialResult {
  readonly passed: boolean;
  /** Why, in a few words. */
  readonly detail: string;
}

/** What the two programs are told: JSON that their runners understand. */
export interface TrialTask {
  /** For the judge: tests, or a reference solution and inputs. The answer never sees it. */
  readonly judge: string;
  /** For the candidate: the answer's program. */
  readonly candidate: string;
}

/** Starts the program of a runner. */
export type Start = (runner: 'judge' | 'candidate', listener: Listener) => BoxedProcess;

/** The sandbox itself did not work: no word about the answer. */
export class SandboxFailure extends Error {}

/**
 * Tests an answer. The tests run in one program (the judge), the answer in another (the candidate), each in a sandbox of its
 * own; the judge's calls of the answer's functions are carried to the candidate, and what these return is carried back as
 * plain data. The verdict is the judge's: an answer that prints a mark of success, ends the process, overrides assertions,
 * equality or the test library, or reads its own memory, changes nothing but its own program, and sees arguments alone.
 * Rejects with SandboxFailure where a program did not start, or with the signal's reason.
 */
export async function runTrial(
  task: TrialTask,
  limits: Limits,
  start: Start,
  signal?: AbortSignal,
): Promise<TrialResult> {
  signal?.throwIfAborted();
  const course = new Course(limits);
  const judge = start('judge', {
    onLine: (line) => course.judgeSaid(line),
    onFlood: () => course.failed('the tests sent more than one message may hold'),
  });
  const candidate = start('candidate', {
    onLine: (line) => course.candidateSaid(line),
    onFlood: () => course.failed(`a result was larger than ${limits.messageBytes} bytes`),
  });
  course.begin(task, judge, candidate);
  const late = setTimeout(() => course.failed(`not over within ${limits.wallMs} ms`), limits.wallMs);
  const abort = (): void => course.broke(signal?.reason);
  signal?.addEventListener('abort', abort, { once: true });
  try {
    return await course.result;
  } finally {
    clearTimeout(late);
    signal?.removeEventListener('abort', abort);
    for (const process of [judge, candidate]) process.kill();
    await Promise.all([judge.ended, candidate.ended]);
  }
}

/** A trial under way: who is ready, whose turn it is. The first outcome counts. */
class Course {
  readonly #limits: Limits;
  readonly #outcome = withResolvers<TrialResult>();
  #judge: BoxedProcess | undefined;
  #candidate: BoxedProcess | undefined;
  #judgeReady = false;
  #candidateReady = false;
  #candidateGone: string | undefined;
  #calls = 0;
  /** A call that the candidate has not answered. */
  #pending = false;

  constructor(limits: Limits) {
    this.#limits = limits;
  }

  get result(): Promise<TrialResult> {
    return this.#outcome.promise;
  }

  begin(task: TrialTask, judge: BoxedProcess, candidate: BoxedProcess): void {
    [this.#judge, this.#candidate] = [judge, candidate];
    judge.send(task.judge);
    candidate.send(task.candidate);
    void judge.ended.then((ending) => {
      if (!this.#judgeReady) this.broke(new SandboxFailure(notStarted('tests', ending)));
      else this.failed(`the tests ended without a verdict (${howEnded(ending)})`);
    });
    void candidate.ended.then((ending) => {
      if (!this.#candidateReady) this.broke(new SandboxFailure(notStarted('answer', ending)));
      this.#candidateGone = `the program ended before it had answered (${howEnded(ending)})`;
      if (this.#pending) this.failed(this.#candidateGone);
    });
  }

  failed(detail: string): void {
    this.#outcome.resolve({ passed: false, detail });
  }

  broke(error: unknown): void {
    this.#outcome.reject(error);
  }

  /** The judge says `ready`, then `C <call>` and waits for an answer, or `V <verdict>`. */
  judgeSaid(line: string): void {
    if (line === READY) this.#judgeReady = true;
    else if (line.startsWith('V ')) this.#outcome.resolve(parseVerdict(line.slice(2)));
    else if (this.#candidateGone !== undefined) this.failed(this.#candidateGone);
    else if (++this.#calls > this.#limits.calls) this.failed(`more than ${this.#limits.calls} calls`);
    else {
      this.#pending = true;
      this.#candidate?.send(line.slice(2));
    }
  }

  /** The candidate says `ready`, then one line for each call. */
  candidateSaid(line: string): void {
    if (!this.#candidateReady && line === READY) {
      this.#candidateReady = true;
      return;
    }
    if (!this.#pending) {
      this.failed('the program wrote where only results belong');
      return;
    }
    this.#pending = false;
    this.#judge?.send(line);
  }
}

function notStarted(what: string, ending: Ending): string {
  return `the sandbox did not start the ${what}: ${oneLine(ending.stderr, 300) || howEnded(ending)}`;
}

function howEnded({ status, signal }: Ending): string {
  // bubblewrap reports a signal inside as 128 + its number.
  const number = status !== undefined && status > 128 ? status - 128 : undefined;
  if (signal !== undefined) return signal;
  if (number === 9) return 'killed: out of processor time or memory';
  return number === undefined ? `status ${status}` : `signal ${number}`;
}

/** The tests are not trusted either: what they say is a verdict, or nothing. */
function parseVerdict(json: string): TrialResult {
  try {
    const { passed, detail } = JSON.parse(json) as Record<string, unknown>;
    if (typeof passed === 'boolean' && typeof detail === 'string') return { passed, detail };
  } catch {}
  return { passed: false, detail: 'the tests said what cannot be read' };
}

/** `Promise.withResolvers`, which Node 20 does not have. */
function withResolvers<T>(): {
  readonly promise: Promise<T>;
  resolve(value: T): void;
  reject(error: unknown): void;
} {
  let [resolve, reject]: [(value: T) => void, (error: unknown) => void] = [() => {}, () => {}];
  const promise = new Promise<T>((yes, no) => {
    [resolve, reject] = [yes, no];
  });
  return { promise, resolve, reject };
}
