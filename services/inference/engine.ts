import { Worker } from 'node:worker_threads';
import type { Context } from '@opentelemetry/api';
import { ZmeshError } from '#shared/errors.js';
import { monotonicMs } from '#shared/telemetry/clock.js';
import { activeContext } from '#shared/telemetry/spans.js';
import { EventQueue } from './engine/event-queue.js';
import { failureError } from './engine/outbox.js';
import { recordPhases } from './engine/phases.js';
import type {
  AnswerEndMessage,
  EngineLimits,
  EngineLoad,
  FromEngine,
  GenerateMessage,
  RequestTimes,
  RuntimeSource,
  ScoreMessage,
  ScoreResult,
  StepFacts,
  StepMessage,
  ToEngine,
  TokenMessage,
} from './engine/protocol.js';
import { refusalOf } from './engine/queues.js';
import { SpectrumCache, type SpectrumLease } from './engine/spectra.js';
import type { PriorityClass } from './engine/task.js';
import type { PassOptions } from './pass-options.js';
import type { RuntimeInfo } from './runtime/runtime.js';

/** What an engine is started with. */
export interface EngineOptions {
  readonly runtime: RuntimeSource;
  readonly limits: EngineLimits;
  /** Bytes of composed spectra that stay resident. */
  readonly spectrumMaxBytes: number;
  /** Hears what the engine does, for metrics. Default nobody. */
  readonly meter?: EngineMeter;
}

/** Hears what an engine does. */
export interface EngineMeter {
  /** The runtime was called. */
  stepped(step: StepFacts): void;
  /** A request ended; `failure` is the reason of a failed one. */
  ended(times: RequestTimes, request: EndedRequest): void;
}

/** A request that has ended. */
export interface EndedRequest {
  readonly kind: 'generate' | 'score';
  readonly priority: PriorityClass;
  readonly promptTokens: number;
  readonly outputTokens: number;
  readonly failure: string | undefined;
}

/** A request that came in at the front door before this is a second pass. */
const FRESH_MS = 50;

type Given<M> = Omit<M, 'type' | 'id' | 'mixture' | 'arrivedMs' | 'sinceMs' | 'dueMs'> & {
  /** The caller's deadline on performance.now's clock. Default none. */
  readonly deadline?: number | undefined;
  /** How long ago it came in at the front door. Default 0. */
  readonly ageMs?: number;
  /** Released by the engine when the request is over, however it ends. */
  readonly spectrum: SpectrumLease;
};

/** What to generate. */
export type GenerateRequest = Given<GenerateMessage>;
/** What to score. */
export type ScoreRequest = Given<ScoreMessage>;

/** What happens to a request, in order; `end` is the last. */
export type EngineEvent =
  | ({ readonly type: 'token' } & Omit<TokenMessage, 'id'>)
  | ({ readonly type: 'answerEnd' } & Omit<AnswerEndMessage, 'id'>)
  | { readonly type: 'end'; readonly times: RequestTimes; readonly score?: ScoreResult };

/** A running generation. */
export interface GenerationStream {
  /** All events that have gathered, at a time. Leaving it early cancels the request. */
  readonly events: AsyncIterable<readonly EngineEvent[]>;
  /** Ends one answer; tokens that were under way may still come. */
  stopAnswer(answer: number): void;
}

/** One model's engine, as the main thread sees it. */
export interface Engine {
  readonly info: RuntimeInfo;
  readonly limits: EngineLimits;
  readonly spectra: SpectrumCache;
  /** As of the last step. */
  readonly load: EngineLoad;
  /**
   * Why a request would be refused just now, as of the last step; undefined = it would not. Asked before its prompt is looked
   * at, so that a crowd costs little; the queue itself decides. Second passes are left to it, which alone knows their place.
   */
  crowded(priority: PriorityClass, caller: Pick<PassOptions, 'deadline' | 'ageMs'>): ZmeshError | undefined;
  /**
   * Submits a generation; read its events to the end or leave them early. Throws DRAINING, ENGINE_STOPPED or the signal's
   * reason; the events throw QUEUE_FULL, KV_CACHE_EXCEEDED, BAD_MIXTURE (logits not finite), ENGINE_STOPPED with the
   * number of tokens that were produced, or the signal's reason.
   */
  generate(request: GenerateRequest, signal: AbortSignal): GenerationStream;
  /** Scores. Errors as for `generate`. */
  score(request: ScoreRequest, signal: AbortSignal): Promise<{ score: ScoreResult; times: RequestTimes }>;
  /** Takes no more requests, waits for those that run, frees the runtime. */
  drain(): Promise<void>;
  /** Resolves if the engine stops by itself: a fault of ours, or memory that ran out. */
  readonly stopped: Promise<ZmeshError>;
}

interface Pending {
  readonly queue: EventQueue<EngineEvent>;
  readonly kind: 'generate' | 'score';
  readonly spectrum: SpectrumLease;
  readonly parent: Context;
  readonly priority: PriorityClass;
  readonly promptTokens: number;
  tokens: number;
  /** Why its caller left; undefined while it has not. */
  left: unknown;
}

/** Starts an engine in a thread of its own; resolves when its runtime is ready, rejects with the runtime's error. */
export async function startEngine(options: EngineOptions): Promise<Engine> {
  const { runtime, limits } = options;
  const worker = new Worker(new URL('./engine/worker.js', import.meta.url), {
    workerData: { runtime, limits },
  });
  const info = await new Promise<RuntimeInfo>((resolve, reject) => {
    const ended = (): void => reject(new ZmeshError('ENGINE_STOPPED', 'the engine ended while it started'));
    worker.once('error', reject).once('exit', ended);
    worker.once('message', (message: FromEngine) => {
      worker.off('error', reject).off('exit', ended);
      if (message.type === 'ready') resolve(message.info);
    });
  });
  return new WorkerEngine(worker, info, options);
}

/** Now, the arrival at the front door and the deadline on the clock that both threads share. */
function timesOf(deadline = Number.POSITIVE_INFINITY, ageMs = 0) {
  const arrivedMs = monotonicMs();
  return { arrivedMs, sinceMs: arrivedMs - ageMs, dueMs: arrivedMs + deadline - performance.now() };
}

class WorkerEngine implements Engine {
  readonly info: RuntimeInfo;
  readonly limits: EngineLimits;
  readonly spectra: SpectrumCache;
  readonly stopped: Promise<ZmeshError>;
  load: EngineLoad;
  readonly #worker: Worker;
  readonly #meter: EngineMeter | undefined;
  readonly #pending = new Map<number, Pending>();
  #requests = 0;
  #draining = false;
  #stoppedBy: ZmeshError | null = null;
  #whenEmpty: (() => void) | null = null;

  constructor(worker: Worker, info: RuntimeInfo, options: EngineOptions) {
    this.info = info;
    this.limits = options.limits;
    this.load = {
      waitingInteractive: 0,
      waitingBatch: 0,
      waitingAnswersInteractive: 0,
      waitingAnswersBatch: 0,
      running: 0,
      runningAnswers: 0,
      intervalMs: null,
      freePages: info.pageCount,
      keptPages: 0,
    };
    this.#worker = worker;
    this.#meter = options.meter;
    this.spectra = new SpectrumCache(options.spectrumMaxBytes, (message) => this.#post(message));
    worker.on('message', (message: StepMessage) => this.#receive(message));
    this.stopped = new Promise((resolve) => {
      const stop = (cause: unknown): void => {
        if (!this.#draining || this.#pending.size > 0) resolve(this.#fail(cause));
      };
      worker.on('error', stop);
      worker.on('exit', () => stop(new Error('the engine thread ended')));
    });
  }

  crowded(
    priority: PriorityClass,
    { deadline = Number.POSITIVE_INFINITY, ageMs }: Pick<PassOptions, 'deadline' | 'ageMs'>,
  ): ZmeshError | undefined {
    if (ageMs > FRESH_MS) return undefined;
    const { load, limits } = this;
    const batch = priority === 'batch';
    // How many answers it wants is looked at when it comes to the queue itself.
    const crowd = {
      priority,
      waiting: batch ? load.waitingBatch : load.waitingInteractive,
      ahead: load.waitingAnswersInteractive + (batch ? load.waitingAnswersBatch : 0),
      running: load.runningAnswers,
      own: 1,
      intervalMs: load.intervalMs,
    };
    return refusalOf(crowd, { leftMs: deadline - performance.now(), max: limits.queueMax });
  }

  generate(request: GenerateRequest, signal: AbortSignal): GenerationStream {
    const { spectrum, deadline, ageMs, ...rest } = request;
    const id = ++this.#requests;
    const head = { type: 'generate', id, mixture: spectrum.mixture, ...timesOf(deadline, ageMs) } as const;
    return {
      events: this.#submit({ ...head, ...rest }, spectrum, signal),
      stopAnswer: (answer) => this.#post({ type: 'stopAnswer', id, answer }),
    };
  }

  async score(
    request: ScoreRequest,
    signal: AbortSignal,
  ): Promise<{ score: ScoreResult; times: RequestTimes }> {
    const { spectrum, deadline, ageMs, ...rest } = request;
    const id = ++this.#requests;
    const head = { type: 'score', id, mixture: spectrum.mixture, ...timesOf(deadline, ageMs) } as const;
    for await (const events of this.#submit({ ...head, ...rest }, spectrum, signal)) {
      const end = events.find((event) => event.type === 'end');
      if (end?.score) return { score: end.score, times: end.times };
    }
    throw new ZmeshError('INTERNAL', 'a score ended without a result');
  }

  async drain(): Promise<void> {
    this.#draining = true;
    if (this.#pending.size > 0) {
      await new Promise<void>((resolve) => {
        this.#whenEmpty = resolve;
      });
    }
    if (this.#stoppedBy) return;
    const exit = new Promise((resolve) => this.#worker.once('exit', resolve));
    this.#post({ type: 'close' });
    await exit;
  }

  #submit(
    message: GenerateMessage | ScoreMessage,
    spectrum: SpectrumLease,
    signal: AbortSignal,
  ): AsyncIterable<readonly EngineEvent[]> {
    const refused = this.#refusal(signal);
    if (refused) {
      spectrum.release();
      throw refused;
    }
    const { id, type: kind, prompt, priority } = message;
    const pending: Pending = {
      queue: new EventQueue(),
      kind,
      spectrum,
      parent: activeContext(),
      priority,
      promptTokens: prompt.length,
      tokens: 0,
      left: undefined,
    };
    this.#pending.set(id, pending);
    this.#post(message);
    return this.#read(id, pending, signal);
  }

  #read(id: number, pending: Pending, signal: AbortSignal): AsyncIterable<readonly EngineEvent[]> {
    const leave = (reason: ZmeshError): void => {
      if (!this.#pending.has(id) || pending.left) return;
      pending.left = reason;
      this.#post({ type: 'cancel', id });
    };
    const abort = (): void => {
      const reason = ZmeshError.from(signal.reason);
      leave(reason);
      pending.queue.fail(reason, { drop: true });
    };
    signal.addEventListener('abort', abort, { once: true });
    return (async function* () {
      try {
        yield* pending.queue.batches();
      } finally {
        signal.removeEventListener('abort', abort);
        leave(new ZmeshError('CANCELLED', 'the reader left'));
      }
    })();
  }

  #refusal(signal: AbortSignal): ZmeshError | null {
    if (signal.aborted) return ZmeshError.from(signal.reason);
    if (this.#stoppedBy) return new ZmeshError('ENGINE_STOPPED', 'the engine has stopped', { value: 0 });
    if (this.#draining) return new ZmeshError('DRAINING', 'the service is draining; try another replica');
    return null;
  }

  #receive(message: StepMessage): void {
    this.load = message.load;
    for (const step of message.steps) this.#meter?.stepped(step);
    for (const { id, ...event } of message.tokens) {
      const pending = this.#pending.get(id);
      if (!pending) continue;
      pending.tokens++;
      pending.queue.push({ type: 'token', ...event });
    }
    for (const { id, ...event } of message.answers)
      this.#pending.get(id)?.queue.push({ type: 'answerEnd', ...event });
    for (const { id, times, score, failure } of message.ended) {
      const pending = this.#pending.get(id);
      if (!pending) continue;
      const error = failure && failureError(failure);
      if (error) pending.queue.fail(error);
      else pending.queue.push({ type: 'end', times, ...(score ? { score } : {}) });
      this.#close(id, pending);
      const { kind, parent, promptTokens, tokens: outputTokens } = pending;
      const failed = error ? { error: pending.left ?? error } : {};
      recordPhases(times, { kind, parent, promptTokens, outputTokens, ...failed });
      const left = pending.left instanceof ZmeshError ? pending.left : error;
      const { priority } = pending;
      this.#meter?.ended(times, { kind, priority, promptTokens, outputTokens, failure: left?.reason });
    }
  }

  #close(id: number, pending: Pending): void {
    pending.queue.end();
    pending.spectrum.release();
    this.#pending.delete(id);
    if (this.#pending.size === 0) this.#whenEmpty?.();
  }

  #fail(cause: unknown): ZmeshError {
    if (this.#stoppedBy) return this.#stoppedBy;
    this.#stoppedBy = new ZmeshError('ENGINE_STOPPED', 'the engine stopped', { cause });
    for (const [id, pending] of this.#pending) {
      const message = `the engine stopped after ${pending.tokens} tokens; the answer is incomplete`;
      pending.queue.fail(
        new ZmeshError('ENGINE_STOPPED', message, {
          value: pending.tokens,
          names: { tokens: String(pending.tokens) },
          cause,
        }),
      );
      this.#close(id, pending);
    }
    return this.#stoppedBy;
  }

  #post(message: ToEngine): void {
    if (this.#stoppedBy) return;
    const moved = message.type === 'addSpectrum' ? [message.spectrum.buffer as ArrayBuffer] : [];
    this.#worker.postMessage(message, moved);
  }
}
