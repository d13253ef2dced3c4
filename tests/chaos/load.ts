import { setTimeout as sleep } from 'node:timers/promises';
import { ZmeshError } from '#shared/errors.js';
import type { Random } from '../hostile/random.js';
import type { DispatcherClient } from './chaos-mesh.js';
import { essence, type Question } from './questions.js';

/** How one request went. */
export interface Outcome {
  /** performance.now() at its start and end. */
  readonly startMs: number;
  readonly endMs: number;
  /** A reason of the catalogue; undefined = it was answered. */
  readonly reason: string | undefined;
}

/** A load that runs until it is stopped. */
export interface Load {
  /** All that ended so far, in the order of their ends. */
  readonly outcomes: readonly Outcome[];
  /** Answers that differ from the undisturbed ones, one line each. */
  readonly wrong: readonly string[];
  /** Resolves when all running requests have ended. */
  stop(): Promise<void>;
}

/** What is asked. */
export interface LoadOptions {
  readonly client: DispatcherClient;
  readonly questions: readonly Question[];
  readonly random: Random;
  /** Deadline of each request. Default 20 s. */
  readonly timeoutMs?: number;
}

/** A refused or failed caller asks again after this. */
const PAUSE_MS = 20;

/** Keeps so many requests in flight, each a question drawn at random, and compares every answer. */
export function startLoad({ callers, ...options }: LoadOptions & { readonly callers: number }): Load {
  const asking = createAsking(options);
  let stopped = false;
  const caller = async (): Promise<void> => {
    while (!stopped) if ((await asking.ask()) !== undefined) await sleep(PAUSE_MS);
  };
  const running = Promise.all(Array.from({ length: callers }, caller));
  return {
    ...asking,
    async stop() {
      stopped = true;
      await running;
    },
  };
}

/** Asks one question at a time and notes what comes of it; resolves with the reason of a failure. */
function createAsking({ client, questions, random, timeoutMs = 20_000 }: LoadOptions) {
  const outcomes: Outcome[] = [];
  const wrong: string[] = [];
  return {
    outcomes,
    wrong,
    async ask(): Promise<string | undefined> {
      const { request, answer } = random.pick(questions);
      const startMs = performance.now();
      let reason: string | undefined;
      try {
        const given = essence(await client.complete({ request }, { timeoutMs }));
        if (given !== answer) wrong.push(`${request.strategy?.kind?.$case}: ${given} instead of ${answer}`);
      } catch (error) {
        reason = ZmeshError.from(error).reason;
      }
      outcomes.push({ startMs, endMs: performance.now(), reason });
      return reason;
    },
  };
}

/** Counts of failed requests by reason, `none` if there are none. */
export function failures(outcomes: readonly Outcome[]): string {
  const counts = new Map<string, number>();
  for (const { reason } of outcomes) if (reason) counts.set(reason, (counts.get(reason) ?? 0) + 1);
  return [...counts].map(([reason, count]) => `${count} ${reason}`).join(', ') || 'none';
}
