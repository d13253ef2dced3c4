import { Worker } from 'node:worker_threads';
import { ZmeshError } from '#shared/errors.js';
import { monotonicMs } from '#shared/telemetry/clock.js';
import { failureError } from '../engine/outbox.js';
import { Queues } from '../engine/queues.js';
import type { PriorityClass } from '../engine/task.js';
import type { FromGradient, GradientWorkerStart, ToGradient } from './protocol.js';
import type { GradientOutcome, GradientTask, PlanFacts } from './task.js';

/** What a gradient engine is made from. */
export interface GradientEngineOptions extends GradientWorkerStart {
  /** Most tasks that wait, of each priority class. */
  readonly queueMax: number;
  /** True while requests of people wait for a place in the serving engine: then no further batch part is begun. */
  readonly busy: () => boolean;
}

/** When a task passed from one phase to the next, `monotonicMs()`. */
export interface GradientTimes {
  readonly arrivedMs: number;
  readonly startedMs: number;
  readonly endedMs: number;
}

/** What a finished task is told. */
export interface GradientAnswer {
  readonly outcome: GradientOutcome;
  readonly plan: PlanFacts;
  readonly times: GradientTimes;
}

interface Waiting {
  readonly id: number;
  readonly priority: PriorityClass;
  /** Each takes the thread for itself. */
  readonly slots: 1;
  start(): void;
}

/** How often a batch task that gave way looks again. */
const BUSY_MS = 20;
/** A batch task gives way for so long at most before each part, so that training never stops for good. */
const GIVE_WAY_MS_MAX = 2000;

/**
 * One model's gradients: a thread of its own beside the serving engine, begun at the first task. One task at a time, people's
 * before batch; a task is computed in parts, between which it can be left and gives way.
 */
export class GradientEngine {
  readonly #options: GradientEngineOptions;
  readonly #queues: Queues<Waiting>;
  #worker: GradientWorker | null = null;
  #tasks = 0;
  #busy = false;
  #draining = false;
  #whenIdle: (() => void) | null = null;

  constructor(options: GradientEngineOptions) {
    this.#options = options;
    this.#queues = new Queues(options.queueMax);
  }

  /**
   * Computes. Throws DRAINING, QUEUE_FULL, TOO_LARGE where a sequence does not fit the memory limit, BAD_MIXTURE where numbers
   * are not finite, ENGINE_STOPPED, or the signal's reason: then a part that is under way is finished for nothing.
   */
  async compute(task: GradientTask, priority: PriorityClass, signal: AbortSignal): Promise<GradientAnswer> {
    signal.throwIfAborted();
    if (this.#draining) throw new ZmeshError('DRAINING', 'the service is draining; try another replica');
    const arrivedMs = monotonicMs();
    await this.#turn(priority, signal);
    const work = this.#work(task, { priority, arrivedMs, signal });
    // The next task begins when this one's part is through, even if its caller left.
    void work.catch(() => {}).finally(() => this.#next());
    return orLeft(work, signal);
  }

  /** Takes no more tasks, waits for those that are here, ends the thread. */
  async drain(): Promise<void> {
    this.#draining = true;
    if (this.#busy)
      await new Promise<void>((resolve) => {
        this.#whenIdle = resolve;
      });
    await this.#worker?.close();
  }

  async #work(
    task: GradientTask,
    given: { readonly priority: PriorityClass; readonly arrivedMs: number; readonly signal: AbortSignal },
  ): Promise<GradientAnswer> {
    const { priority, arrivedMs, signal } = given;
    const startedMs = monotonicMs();
    if (!this.#worker?.alive) this.#worker = new GradientWorker(this.#options);
    const worker = this.#worker;
    const planned = await worker.ask({ type: 'plan', task });
    if (planned.type !== 'planned') throw new ZmeshError('INTERNAL', 'a plan was not answered with a plan');
    for (;;) {
      if (priority === 'batch') await this.#giveWay(signal);
      signal.throwIfAborted();
      const ran = await worker.ask({ type: 'run' });
      if (ran.type !== 'ran') throw new ZmeshError('INTERNAL', 'a part was not answered with its end');
      if (!ran.outcome) continue;
      const times = { arrivedMs, startedMs, endedMs: monotonicMs() };
      return { outcome: ran.outcome, plan: planned.facts, times };
    }
  }

  async #giveWay(signal: AbortSignal): Promise<void> {
    const until = monotonicMs() + GIVE_WAY_MS_MAX;
    while (this.#options.busy() && !signal.aborted && monotonicMs() < until)
      await new Promise((resolve) => setTimeout(resolve, BUSY_MS));
  }

  /** Resolves when it is this task's turn; a caller that leaves before gives its place up. */
  #turn(priority: PriorityClass, signal: AbortSignal): Promise<void> {
    if (!this.#busy) {
      this.#busy = true;
      return Promise.resolve();
    }
    const id = ++this.#tasks;
    return new Promise((resolve, reject) => {
      const leave = (): void => {
        this.#queues.remove(id);
        reject(signal.reason);
      };
      const start = (): void => {
        signal.removeEventListener('abort', leave);
        resolve();
      };
      const wait = { sinceMs: monotonicMs(), leftMs: Number.POSITIVE_INFINITY, running: 1 };
      this.#queues.push({ id, priority, slots: 1, start }, wait);
      signal.addEventListener('abort', leave, { once: true });
    });
  }

  #next(): void {
    this.#queues.noteEnded(1, monotonicMs());
    for (const priority of ['interactive', 'batch'] as const) {
      const waiting = this.#queues.peek(priority);
      if (!waiting) continue;
      this.#queues.shift(priority);
      waiting.start();
      return;
    }
    this.#busy = false;
    this.#whenIdle?.();
  }
}

/** The thread, as a partner that answers one question at a time. */
class GradientWorker {
  alive = true;
  readonly #worker: Worker;
  #asked: { resolve(answer: FromGradient): void; reject(error: unknown): void } | null = null;

  constructor({ runtime, memoryBytes }: GradientWorkerStart) {
    const workerData: GradientWorkerStart = { runtime, memoryBytes };
    this.#worker = new Worker(new URL('./worker.js', import.meta.url), { workerData });
    this.#worker.on('message', (answer: FromGradient) => {
      const asked = this.#asked;
      this.#asked = null;
      if (answer.type === 'failed') asked?.reject(failureError(answer.failure));
      else asked?.resolve(answer);
    });
    const stop = (cause: unknown): void => {
      this.alive = false;
      this.#asked?.reject(new ZmeshError('ENGINE_STOPPED', "the gradients' thread stopped", { cause }));
      this.#asked = null;
    };
    this.#worker.on('error', stop);
    this.#worker.on('exit', () => stop(new Error('the thread ended')));
    // It holds the process only while it is asked something.
    this.#worker.unref();
  }

  ask(message: ToGradient): Promise<FromGradient> {
    if (!this.alive)
      return Promise.reject(new ZmeshError('ENGINE_STOPPED', "the gradients' thread has stopped"));
    this.#worker.ref();
    return new Promise<FromGradient>((resolve, reject) => {
      this.#asked = { resolve, reject };
      this.#worker.postMessage(message);
    }).finally(() => this.#worker.unref());
  }

  async close(): Promise<void> {
    if (!this.alive) return;
    this.#worker.ref();
    const ended = new Promise((resolve) => this.#worker.once('exit', resolve));
    this.#worker.postMessage({ type: 'close' } satisfies ToGradient);
    await ended;
  }
}

/** The work's result, or the signal's reason as soon as it comes. */
function orLeft<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const leave = (): void => reject(signal.reason);
    signal.addEventListener('abort', leave, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', leave));
  });
}
