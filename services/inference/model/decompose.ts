import { Worker } from 'node:worker_threads';
import { ZmeshError } from '#shared/errors.js';
import type { FactorResult, FactorTask } from './factor-worker.js';
import { decompositionWork, secondsLeft } from './jobs.js';

/** One matrix is done, and how far the whole is. */
export interface MatrixDone {
  readonly task: FactorTask;
  /** ‖W − UΣVᵀ‖_F / ‖W‖_F of the factors as stored. */
  readonly error: number;
  readonly seconds: number;
  /** Name of the back end of the products. */
  readonly gemm: string;
  readonly done: number;
  readonly total: number;
  /** Share of the work that is done, 0 to 1. */
  readonly share: number;
  /** Seconds left at the pace so far. */
  readonly secondsLeft: number | null;
}

/**
 * Decomposes matrices in worker threads, `jobs` at a time, the largest first. Stops at the first failure.
 * @throws ZmeshError as the worker threw it.
 */
export async function decomposeAll(
  tasks: readonly FactorTask[],
  jobs: number,
  onDone: (done: MatrixDone) => void,
): Promise<void> {
  const queue = [...tasks].sort((a, b) => decompositionWork(b.linear) - decompositionWork(a.linear));
  const pace = new PaceKeeper(tasks, jobs);
  const workers: Worker[] = [];
  const drain = async (): Promise<void> => {
    const worker = new Worker(new URL('./factor-worker.js', import.meta.url));
    workers.push(worker);
    for (let task = queue.shift(); task !== undefined; task = queue.shift()) {
      pace.begin(task);
      const result = await runTask(worker, task);
      if (!result.ok) throw new ZmeshError(result.reason, result.message);
      onDone({ task, ...result, ...pace.finish(task, result.seconds) });
    }
  };
  try {
    await Promise.all(Array.from({ length: Math.min(jobs, queue.length) }, drain));
  } finally {
    await Promise.all(workers.map((worker) => worker.terminate()));
  }
}

async function runTask(worker: Worker, task: FactorTask): Promise<FactorResult> {
  return new Promise((resolve, reject) => {
    const settle = (): void => {
      worker.off('message', onMessage).off('error', onError).off('exit', onExit);
    };
    const onMessage = (result: FactorResult): void => {
      settle();
      resolve(result);
    };
    const onError = (error: unknown): void => {
      settle();
      reject(
        new ZmeshError('INTERNAL', `${task.linear.name}: ${(error as Error).message}`, { cause: error }),
      );
    };
    const onExit = (code: number): void => onError(new Error(`the worker thread ended with code ${code}`));
    worker.on('message', onMessage).on('error', onError).on('exit', onExit);
    worker.postMessage(task);
  });
}

/** Keeps the numbers behind the time left. */
class PaceKeeper {
  readonly #jobs: number;
  readonly #total: number;
  readonly #totalWork: number;
  readonly #running = new Map<FactorTask, number>();
  #done = 0;
  #doneWork = 0;
  #doneSeconds = 0;

  constructor(tasks: readonly FactorTask[], jobs: number) {
    this.#jobs = Math.min(jobs, tasks.length);
    this.#total = tasks.length;
    this.#totalWork = tasks.reduce((sum, { linear }) => sum + decompositionWork(linear), 0);
  }

  begin(task: FactorTask): void {
    this.#running.set(task, performance.now());
  }

  finish(task: FactorTask, seconds: number): Pick<MatrixDone, 'done' | 'total' | 'share' | 'secondsLeft'> {
    this.#running.delete(task);
    this.#done++;
    this.#doneWork += decompositionWork(task.linear);
    this.#doneSeconds += seconds;
    const now = performance.now();
    const left = secondsLeft({
      doneWork: this.#doneWork,
      doneSeconds: this.#doneSeconds,
      openWork: this.#totalWork - this.#doneWork,
      runningSeconds: Array.from(this.#running.values(), (begin) => (now - begin) / 1000).reduce(
        (a, b) => a + b,
        0,
      ),
      jobs: this.#jobs,
    });
    return {
      done: this.#done,
      total: this.#total,
      share: this.#doneWork / this.#totalWork,
      secondsLeft: left,
    };
  }
}
