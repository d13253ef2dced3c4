import { fork } from 'node:child_process';
import { join } from 'node:path';
import { CompleteRequest } from '#proto/zmesh/v1/dispatcher.js';
import { projectRoot } from '#shared/paths.js';
import type { Cleanup } from '../support/cleanup.js';
import type { Question } from './questions.js';

/** What a generator asks, and how: by callers who wait for their answers and heed retry-after, or by arrivals who do neither. */
export interface Asking {
  /** `host:port` of the dispatcher. */
  readonly address: string;
  /** Encoded CompleteRequests, base64, with what must be answered. */
  readonly questions: readonly { readonly request: string; readonly answer: string }[];
  readonly seed: number;
  /** Deadline of each request. */
  readonly timeoutMs: number;
  readonly callers?: number;
  readonly perSecond?: number;
}

/** What happened between two times. */
export interface Counts {
  readonly type: 'counts';
  /** Requests that began. */
  readonly asked: number;
  /** Right answers within their deadline. */
  readonly answered: number;
  /** Those that failed, by reason. */
  readonly failed: Readonly<Record<string, number>>;
  /** Refusals that said when to come back. */
  readonly told: number;
  /** Median time to a refusal. */
  readonly refusalMs: number;
}

export type ToGenerator =
  | { readonly type: 'ask'; readonly asking: Asking }
  | { readonly type: 'count'; readonly fromMs: number; readonly untilMs: number }
  | { readonly type: 'stop' };
export type FromGenerator = Counts | { readonly type: 'stopped'; readonly wrong: readonly string[] };

/** A generator's process. */
export interface Generator {
  readonly pid: number;
  /** Begins to ask. */
  ask(asking: Omit<Asking, 'questions'>, questions: readonly Question[]): void;
  /** Times are monotonicMs's, which all processes share. */
  count(fromMs: number, untilMs: number): Promise<Counts>;
  /** Resolves with wrong answers, one line each, when all that was asked has ended. */
  stop(): Promise<readonly string[]>;
}

/** Starts one; it ends with the test. */
export function startGenerator(t: Cleanup): Generator {
  const child = fork(join(projectRoot, 'dist/tests/chaos/generator.js'));
  t.after(() => void child.kill());
  const tell = (message: ToGenerator): void => void child.send(message);
  const answered = <T extends FromGenerator['type']>(type: T) =>
    new Promise<Extract<FromGenerator, { type: T }>>((resolve, reject) => {
      const ended = (code: number | null): void => reject(new Error(`the generator ended with ${code}`));
      child.once('exit', ended);
      const hear = (message: FromGenerator): void => {
        if (message.type !== type) return;
        child.off('message', hear).off('exit', ended);
        resolve(message as Extract<FromGenerator, { type: T }>);
      };
      child.on('message', hear);
    });
  return {
    pid: child.pid!,
    ask(asking, questions) {
      const encoded = questions.map(({ request, answer }) => {
        const bytes = CompleteRequest.encode(CompleteRequest.create({ request })).finish();
        return { request: Buffer.from(bytes).toString('base64'), answer };
      });
      tell({ type: 'ask', asking: { ...asking, questions: encoded } });
    },
    count(fromMs, untilMs) {
      const counts = answered('counts');
      tell({ type: 'count', fromMs, untilMs });
      return counts;
    },
    async stop() {
      const stopped = answered('stopped');
      tell({ type: 'stop' });
      return (await stopped).wrong;
    },
  };
}
