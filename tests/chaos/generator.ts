/**
 * A program: asks a dispatcher questions, in a process of its own that yields to everything else (nice 10): on a machine that it
 * shares with the mesh it must not take the mesh's cores. Told by IPC what to do, see generator-process.ts. Its client is bare
 * gRPC with encoded requests, the least that asking costs.
 */
import { setMaxListeners } from 'node:events';
import { setPriority } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import * as grpc from '@grpc/grpc-js';
import { CompleteResponse } from '#proto/zmesh/v1/dispatcher.js';
import type { ZmeshError } from '#shared/errors.js';
import { errorOf } from '#shared/rpc/status.js';
import { monotonicMs } from '#shared/telemetry/clock.js';
import { random } from '../hostile/random.js';
import type { Asking, Counts, FromGenerator, ToGenerator } from './generator-process.js';
import { essence } from './questions.js';

/** Below normal priority, above the batch work that machines give 19. */
const NICE = 10;
/** Arrivals are made up for so often. */
const TICK_MS = 5;
/** A caller who was told nothing else asks again after this. */
const PAUSE_MS = 250;

/** How one request went, on monotonicMs's clock. */
interface Outcome {
  readonly startMs: number;
  readonly endMs: number;
  readonly reason: string;
  readonly retryAfterMs: number | undefined;
}

setPriority(NICE);
const same = (bytes: Buffer): Buffer => bytes;
const definition = {
  complete: {
    path: '/zmesh.v1.DispatcherService/Complete',
    requestStream: false,
    responseStream: false,
    requestSerialize: same,
    requestDeserialize: same,
    responseSerialize: same,
    responseDeserialize: same,
  },
};
type Complete = (
  request: Buffer,
  options: grpc.CallOptions,
  done: (error: grpc.ServiceError | null, response?: Buffer) => void,
) => void;

let outcomes: Outcome[] = [];
let wrong: string[] = [];
let halt = async (): Promise<void> => {};

process.on('message', (message: ToGenerator) => {
  if (message.type === 'ask') begin(message.asking);
  if (message.type === 'count') tell(count(message));
  if (message.type === 'stop') void halt().then(() => tell({ type: 'stopped', wrong }));
});
process.on('disconnect', () => process.exit(0));

function tell(message: FromGenerator): void {
  process.send?.(message);
}

function begin(asking: Asking): void {
  outcomes = [];
  wrong = [];
  const Client = grpc.makeGenericClientConstructor(definition, 'DispatcherService');
  const client = new Client(asking.address, grpc.credentials.createInsecure(), { 'grpc.enable_channelz': 0 });
  const complete = client.complete!.bind(client) as unknown as Complete;
  const questions = asking.questions.map(({ request, answer }) => ({
    request: Buffer.from(request, 'base64'),
    answer,
  }));
  const choices = random(asking.seed, 'generator');
  const ask = (): Promise<Outcome> => {
    const { request, answer } = choices.pick(questions);
    const startMs = monotonicMs();
    return new Promise((resolve) => {
      complete(request, { deadline: Date.now() + asking.timeoutMs }, (error, response) => {
        const failure = error && failureOf(error);
        if (response) {
          const given = essence(CompleteResponse.decode(response));
          if (given !== answer) wrong.push(`${given} instead of ${answer}`);
        }
        const { reason = '', retryAfterMs } = failure ?? {};
        const outcome = { startMs, endMs: monotonicMs(), reason, retryAfterMs };
        outcomes.push(outcome);
        resolve(outcome);
      });
    });
  };
  const running = asking.perSecond === undefined ? callers(asking, ask) : arrivals(asking.perSecond, ask);
  halt = async () => {
    await running.stop();
    client.close();
  };
}

/** So many callers, each with one request at a time; who is refused waits as long as he was told, and up to half as long again. */
function callers({ callers: number, seed }: Asking, ask: () => Promise<Outcome>) {
  const spread = random(seed, 'spread');
  const stopping = new AbortController();
  setMaxListeners(0, stopping.signal);
  const caller = async (): Promise<void> => {
    while (!stopping.signal.aborted) {
      const { reason, retryAfterMs = PAUSE_MS } = await ask();
      if (reason === '') continue;
      const pauseMs = retryAfterMs * (1 + spread.uniform() / 2);
      await sleep(pauseMs, undefined, { signal: stopping.signal }).catch(() => {});
    }
  };
  const all = Promise.all(Array.from({ length: number ?? 0 }, caller));
  return {
    async stop(): Promise<void> {
      stopping.abort();
      await all;
    },
  };
}

/** So many requests a second, whatever becomes of those before: nobody waits, nobody heeds what he is told. */
function arrivals(perSecond: number, ask: () => Promise<Outcome>) {
  const running = new Set<Promise<unknown>>();
  const startMs = monotonicMs();
  let asked = 0;
  const timer = setInterval(() => {
    const due = ((monotonicMs() - startMs) / 1000) * perSecond;
    for (; asked < due; asked += 1) {
      const one = ask().finally(() => running.delete(one));
      running.add(one);
    }
  }, TICK_MS);
  return {
    async stop(): Promise<void> {
      clearInterval(timer);
      await Promise.all(running);
    },
  };
}

function failureOf(error: grpc.ServiceError): Pick<ZmeshError, 'reason' | 'retryAfterMs'> {
  return errorOf(error, 'DISPATCHER_UNAVAILABLE');
}

/** What was asked, answered and failed between two times. */
function count({ fromMs, untilMs }: { readonly fromMs: number; readonly untilMs: number }): Counts {
  const inside = (ms: number): boolean => ms >= fromMs && ms < untilMs;
  const ended = outcomes.filter(({ endMs }) => inside(endMs));
  const failed: Record<string, number> = {};
  for (const { reason } of ended) if (reason !== '') failed[reason] = (failed[reason] ?? 0) + 1;
  const refused = ended.filter(({ reason }) => reason === 'QUEUE_FULL');
  const waits = refused.map(({ startMs, endMs }) => endMs - startMs).sort((a, b) => a - b);
  return {
    type: 'counts',
    asked: outcomes.filter(({ startMs }) => inside(startMs)).length,
    answered: ended.filter(({ reason }) => reason === '').length,
    failed,
    told: refused.filter(({ retryAfterMs }) => (retryAfterMs ?? 0) > 0).length,
    refusalMs: waits[waits.length >> 1] ?? 0,
  };
}
