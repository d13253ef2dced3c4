import { ZmeshError } from '#shared/errors.js';
import { CompletionPace } from './completion-pace.js';
import { Overtaking } from './overtaking.js';
import type { PriorityClass } from './task.js';

const RETRY_MS_MIN = 100;
const RETRY_MS_MAX = 30_000;
/** Part of the time before its deadline in which a request must be expected to end, or it is refused. */
const CERTAIN = 0.8;

/** What a request's wait begins with. */
export interface Wait {
  /** When it came in at the front door; its place is before those who came later. */
  readonly sinceMs: number;
  /** How long its caller waits for it; infinite = for ever. */
  readonly leftMs: number;
  /** Answers that run. */
  readonly running: number;
}

interface Waiting<Task> {
  readonly task: Task;
  readonly sinceMs: number;
  /** Tells that it leaves the queue to run. */
  readonly starts: () => void;
}

/** What waits. */
export interface Queued {
  /** The engine's own number of the request. */
  readonly id: number;
  readonly priority: PriorityClass;
  /** Answers that it asks for: what those behind it wait for. */
  readonly slots: number;
}

/** Waiting requests, one bounded queue for each priority class, first come first served within each. */
export class Queues<Task extends Queued> {
  readonly #max: number;
  readonly #queues: Record<PriorityClass, Waiting<Task>[]> = { interactive: [], batch: [] };
  readonly #answers: Record<PriorityClass, number> = { interactive: 0, batch: 0 };
  readonly #pace = new CompletionPace();
  readonly #overtaking = new Overtaking();

  constructor(max: number) {
    this.#max = max;
  }

  /** Number of waiting requests of a class. */
  waiting(priority: PriorityClass): number {
    return this.#queues[priority].length;
  }

  /** Number of answers that these ask for. */
  waitingAnswers(priority: PriorityClass): number {
    return this.#answers[priority];
  }

  /**
   * Adds a request. Throws QUEUE_FULL, with the time in which the present queue is likely worked off, if too many wait or if
   * it would end too late for its caller: in a queue that is longer than its callers' patience, everyone is served just
   * after he left.
   */
  push(task: Task, { sinceMs, leftMs, running }: Wait): void {
    const queue = this.#queues[task.priority];
    const place = queue.findLastIndex((other) => other.sinceMs <= sinceMs) + 1;
    const behind = queue.slice(place).reduce((sum, other) => sum + other.task.slots, 0);
    const first = task.priority === 'batch' ? 'interactive' : undefined;
    const crowd = {
      priority: task.priority,
      waiting: queue.length,
      ahead: this.#answers[task.priority] - behind + (first ? this.#answers[first] : 0),
      running,
      own: task.slots,
      intervalMs: this.intervalMs,
    };
    const refusal = refusalOf(crowd, { leftMs, max: this.#max });
    if (refusal) throw refusal;
    const starts = this.#overtaking.comes(place + (first ? this.waiting(first) : 0));
    queue.splice(place, 0, { task, sinceMs, starts });
    this.#answers[task.priority] += task.slots;
  }

  /**
   * What each answer that is waited for costs those behind it, milliseconds: the time from one end to the next while others wait, with
   * what overtakes them; null until enough ended.
   */
  get intervalMs(): number | null {
    const { intervalMs } = this.#pace;
    return intervalMs === null ? null : intervalMs * this.#overtaking.factor;
  }

  /** The next request of a class, left in its queue. */
  peek(priority: PriorityClass): Task | undefined {
    return this.#queues[priority][0]?.task;
  }

  /** Takes the request that `peek` shows. */
  shift(priority: PriorityClass): void {
    const first = this.#queues[priority].shift();
    if (!first) return;
    this.#answers[priority] -= first.task.slots;
    first.starts();
  }

  /** Takes a waiting request out by its number. */
  remove(id: number): Task | undefined {
    for (const queue of Object.values(this.#queues)) {
      const index = queue.findIndex(({ task }) => task.id === id);
      if (index < 0) continue;
      const { task } = queue.splice(index, 1)[0]!;
      this.#answers[task.priority] -= task.slots;
      return task;
    }
    return undefined;
  }

  /** Learns how many answers ended with their requests in the last step. Call after every step. */
  noteEnded(ended: number, nowMs: number): void {
    const waiting = this.#queues.interactive.length + this.#queues.batch.length > 0;
    this.#pace.note(nowMs, { ended, waiting });
  }
}

/** Who is there when a request comes. */
export interface Crowd {
  readonly priority: PriorityClass;
  /** Waiting requests of its class. */
  readonly waiting: number;
  /** Answers of the waiting requests that go before it. */
  readonly ahead: number;
  /** Answers that run. */
  readonly running: number;
  /** Answers that it asks for. */
  readonly own: number;
  /** As `Queues.intervalMs` has it. */
  readonly intervalMs: number | null;
}

/** Why a request is refused: too many of its class wait, or it would end too late for its caller. Undefined = it is not. */
export function refusalOf(
  { priority, waiting, ahead, running, own, intervalMs }: Crowd,
  { leftMs, max }: { readonly leftMs: number; readonly max: number },
): ZmeshError | undefined {
  const workedOffMs = ahead * (intervalMs ?? RETRY_MS_MIN);
  const retryAfterMs = Math.ceil(Math.min(RETRY_MS_MAX, Math.max(RETRY_MS_MIN, workedOffMs)));
  if (waiting >= max) {
    const details = { limit: max, value: waiting, retryAfterMs };
    return new ZmeshError('QUEUE_FULL', `${waiting} ${priority} requests wait; the limit is ${max}`, details);
  }
  const endsInMs = intervalMs === null ? 0 : (ahead + running + own) * intervalMs;
  const boundMs = CERTAIN * leftMs;
  if (ahead === 0 || endsInMs <= boundMs) return undefined;
  const details = { limit: Math.floor(boundMs), value: Math.ceil(endsInMs), retryAfterMs };
  const message =
    `${waiting} ${priority} requests wait: this one would end in about ${details.value} ms; it must be expected within ` +
    `${details.limit} ms, ${CERTAIN} of the ${Math.floor(leftMs)} ms to its deadline`;
  return new ZmeshError('QUEUE_FULL', message, details);
}
