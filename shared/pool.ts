import { createTurnstile } from './turnstile.js';

/**
 * Runs jobs, at most `concurrency` at once, and resolves when all are done. They begin one at each turn of the event loop: a hundred calls
 * in one packet would hold up whoever serves them. The first failure stops the pool: no job begins after it, `signal` aborts for those that run, and it is thrown once they have ended.
 */
export async function runPool<J>(
  jobs: readonly J[],
  options: { readonly concurrency: number; readonly signal?: AbortSignal | undefined },
  run: (job: J, signal: AbortSignal) => Promise<void>,
): Promise<void> {
  const failing = new AbortController();
  const signal = options.signal ? AbortSignal.any([options.signal, failing.signal]) : failing.signal;
  const queue = jobs.values();
  const turnstile = createTurnstile();
  const worker = async (): Promise<void> => {
    for (const job of queue) {
      if (signal.aborted) return;
      await turnstile();
      if (signal.aborted) return;
      await run(job, signal).catch((error: unknown) => failing.abort(error));
    }
  };
  await Promise.all(Array.from({ length: Math.min(options.concurrency, jobs.length) }, worker));
  signal.throwIfAborted();
}
