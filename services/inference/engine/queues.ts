import { ZmeshError } from '#shared/errors.js';
import type { PriorityClass } from './task.js';

const RETRY_MS_MIN = 100;
const RETRY_MS_MAX = 30_000;
/** Weight of the newest interval in the moving average. */
const RECENT = 0.1;

/** What waits. */
export interface Queued {
  /** The engine's own number of the request. */
  readonly id: number;
  readonly priority: PriorityClass;
}

/** Waiting requests, one bounded queue for each priority class, first come first served within each. */
export class Queues<Task extends Queued> {
  readonly #max: number;
  readonly #queues: Record<PriorityClass, Task[]> = { interactive: [], batch: [] };
  #lastDoneMs: number | null = null;
  #doneIntervalMs = RETRY_MS_MIN;

  constructor(max: number) {
    this.#max = max;
  }

  /** Number of waiting requests of a class. */
  waiting(priority: PriorityClass): number {
    return this.#queues[priority].length;
  }

  /** Adds a request. Throws QUEUE_FULL with the time in which the present queue is likely worked off. */
  push(task: Task): void {
    const queue = this.#queues[task.priority];
    if (queue.length >= this.#max) {
      const retryAfterMs = Math.min(
        RETRY_MS_MAX,
        Math.max(RETRY_MS_MIN, queue.length * this.#doneIntervalMs),
      );
      throw new ZmeshError(
        'QUEUE_FULL',
        `${queue.length} ${task.priority} requests wait; the limit is ${this.#max}`,
        {
          limit: this.#max,
          value: queue.length,
          retryAfterMs: Math.ceil(retryAfterMs),
        },
      );
    }
    queue.push(task);
  }

  /** The next request of a class, left in its queue. */
  peek(priority: PriorityClass): Task | undefined {
    return this.#queues[priority][0];
  }

  /** Takes the request that `peek` shows. */
  shift(priority: PriorityClass): void {
    this.#queues[priority].shift();
  }

  /** Takes a waiting request out by its number. */
  remove(id: number): Task | undefined {
    for (const queue of Object.values(this.#queues)) {
      const index = queue.findIndex((task) => task.id === id);
      if (index >= 0) return queue.splice(index, 1)[0];
    }
    return undefined;
  }

  /** Learns that a request has ended: how fast they do decides what a refused caller is told. */
  noteDone(nowMs: number): void {
    if (this.#lastDoneMs !== null)
      this.#doneIntervalMs += RECENT * (nowMs - this.#lastDoneMs - this.#doneIntervalMs);
    this.#lastDoneMs = nowMs;
  }
}
