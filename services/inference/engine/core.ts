import assert from 'node:assert/strict';
import { ZmeshError } from '#shared/errors.js';
import type { Runtime, SpectrumHandle } from '../runtime/runtime.js';
import { Generation, type TaskContext } from './generation.js';
import { Inbox } from './inbox.js';
import { runLoop } from './loop.js';
import { failureMessage, Outbox } from './outbox.js';
import { PageAllocator } from './pages.js';
import { PrefixCache } from './prefix-cache.js';
import type { EngineLimits, GenerateMessage, ScoreMessage, StepMessage, ToEngine } from './protocol.js';
import { RequestLedger } from './request-ledger.js';
import { Scheduler } from './scheduler.js';
import { Scoring } from './scoring.js';
import type { Task } from './task.js';

/** What an engine core is made from. */
export interface CoreOptions {
  readonly runtime: Runtime;
  readonly limits: EngineLimits;
  /** `monotonicMs` outside tests. */
  now(): number;
  send(message: StepMessage): void;
}

/** An engine without its thread. */
export interface EngineCore {
  /** Tells it something; handled before the next step. */
  post(message: ToEngine): void;
  /** Runs until `close`. Rejects only on a fault of ours. */
  run(): Promise<void>;
  /** Asserts that pages and reservations add up; valid between steps. */
  checkIntegrity(): void;
}

/** Wires scheduler, pages, tasks and loop around a runtime. */
export function createCore({ runtime, limits, now, send }: CoreOptions): EngineCore {
  const inbox = new Inbox();
  const outbox = new Outbox();
  const ledger = new RequestLedger(now);
  const allocator = new PageAllocator(runtime.info.pageCount);
  const { pageCount, kvBytes, weightBytes, pageTokens } = runtime.info;
  // Another batch reads all weights once more; padding reads pages of a past that is not there.
  const paddingMax = Math.floor((weightBytes * pageCount) / kvBytes);
  const scheduler = new Scheduler(allocator, limits, paddingMax);
  const spectra = new Map<string, SpectrumHandle>();
  const pagesMax = Math.min(pageCount, Math.floor((limits.prefixBytes * pageCount) / kvBytes));
  const context: TaskContext = {
    allocator,
    prefixes: new PrefixCache(allocator, { pagesMax, pageTokens }),
    pageTokens,
    copyPage: (from, to, tokens) => runtime.copyPage(from, to, tokens),
    outbox,
  };
  const taskOf = (request: GenerateMessage | ScoreMessage): Task => {
    const spectrum = spectra.get(request.mixture);
    assert(spectrum !== undefined, `the spectrum of ${request.mixture} was not sent`);
    if (request.type === 'generate') return new Generation(request, spectrum, context);
    const { vocabularySize } = runtime.info;
    return new Scoring(request, spectrum, context, { rowTokens: limits.stepTokens, vocabularySize });
  };
  const submit = (request: GenerateMessage | ScoreMessage): void => {
    ledger.open(request.id, request.arrivedMs);
    try {
      scheduler.submit(taskOf(request), { sinceMs: request.sinceMs, leftMs: request.dueMs - now() });
    } catch (error) {
      if (!(error instanceof ZmeshError)) throw error;
      outbox.end(ledger.ended(request.id, { failure: failureMessage(error) }));
    }
  };
  const cancel = (id: number): void => {
    if (!scheduler.remove(id)) return;
    const failure = failureMessage(new ZmeshError('CANCELLED', 'the caller went away'));
    outbox.end(ledger.ended(id, { failure }));
  };
  const stopAnswer = (id: number, answer: number): void => {
    const task = scheduler.running(id);
    if (task instanceof Generation) task.stopAnswer(answer);
  };
  const receive = (message: ToEngine): boolean => {
    switch (message.type) {
      case 'generate':
      case 'score':
        submit(message);
        return true;
      case 'cancel':
        cancel(message.id);
        return true;
      case 'stopAnswer':
        stopAnswer(message.id, message.answer);
        return true;
      case 'addSpectrum':
        spectra.set(message.mixture, runtime.addSpectrum(message.spectrum));
        return true;
      case 'removeSpectrum':
        runtime.removeSpectrum(spectra.get(message.mixture)!);
        spectra.delete(message.mixture);
        return true;
      case 'close':
        assert(scheduler.idle, 'the engine is closed while requests run');
        return false;
    }
  };
  return {
    post: (message) => inbox.push(message),
    run: () => runLoop({ inbox, scheduler, runtime, ledger, outbox, receive, send }),
    checkIntegrity: () => scheduler.checkIntegrity(),
  };
}
