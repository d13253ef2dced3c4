import assert from 'node:assert/strict';
import type { EndMessage, RequestTimes } from './protocol.js';
import { Scoring } from './scoring.js';
import type { Task } from './task.js';

interface Entry {
  readonly arrivedMs: number;
  startedMs: number | null;
  prefilledMs: number | null;
  promptSteps: number;
  decodeSteps: number;
  cachedTokens: number;
}

/** When each request passed from phase to phase. */
export class RequestLedger {
  readonly now: () => number;
  readonly #entries = new Map<number, Entry>();

  /** @param now the clock, `monotonicMs` outside tests. */
  constructor(now: () => number) {
    this.now = now;
  }

  /** A request came in. */
  open(id: number, arrivedMs: number): void {
    this.#entries.set(id, {
      arrivedMs,
      startedMs: null,
      prefilledMs: null,
      promptSteps: 0,
      decodeSteps: 0,
      cachedTokens: 0,
    });
  }

  /** Its first row is scheduled. */
  started(id: number): void {
    this.#entry(id).startedMs = this.now();
  }

  /** A step worked on it. */
  worked(id: number, phase: 'prompt' | 'decode'): void {
    const entry = this.#entries.get(id);
    if (!entry) return;
    if (phase === 'prompt') {
      entry.promptSteps++;
      entry.prefilledMs = this.now();
    } else entry.decodeSteps++;
  }

  /** It is complete: its end message. */
  completed(task: Task): EndMessage {
    this.#entry(task.id).cachedTokens = task.cachedTokens;
    return this.ended(task.id, task instanceof Scoring ? { score: task.result } : {});
  }

  /** It ended; forgets it. */
  ended(id: number, outcome: Pick<EndMessage, 'score' | 'failure'>): EndMessage {
    const entry = this.#entry(id);
    this.#entries.delete(id);
    const times: RequestTimes = { ...entry, endedMs: this.now() };
    return { id, times, ...outcome };
  }

  #entry(id: number): Entry {
    const entry = this.#entries.get(id);
    assert(entry, `request ${id} is not in the ledger`);
    return entry;
  }
}
