import assert from 'node:assert/strict';
import { ZmeshError } from '#shared/errors.js';
import { type Batch, groupRows } from './batches.js';
import type { PageAllocator } from './pages.js';
import type { EngineLimits, EngineLoad } from './protocol.js';
import { Queues, type Wait } from './queues.js';
import { type Running, StepRows } from './step-rows.js';
import type { Task } from './task.js';

/** Share of slots and pages that batch requests may hold together while anything else runs: the rest waits for people. */
const BATCH_SHARE_MAX = 0.75;

/** A request that runs, and what is set aside for it. */
interface Admitted extends Running {
  /** Its task's `slots` and `pagesMax` after the last batch. */
  slots: number;
  pages: number;
}

/**
 * Decides what runs in the next step. Synchronous, without clock or runtime.
 *
 * Admission: a request starts when its slots and its worst case in pages are free, so a running one always finishes and
 * nothing is ever computed twice. What an answer had is free when it ends, whether its request goes on or not. Interactive
 * requests go first, in order; batch ones start only while no interactive one waits, and leave it a quarter of the room.
 * What a running request does in a step: `StepRows`. What goes through the runtime together: `groupRows`.
 */
export class Scheduler {
  readonly #allocator: PageAllocator;
  readonly #limits: EngineLimits;
  readonly #queues: Queues<Task>;
  readonly #rows: StepRows;
  readonly #paddingMax: number;
  #running: Admitted[] = [];

  /** `paddingMax`: see `groupRows`. */
  constructor(allocator: PageAllocator, limits: EngineLimits, paddingMax: number) {
    this.#allocator = allocator;
    this.#limits = limits;
    this.#rows = new StepRows(limits);
    this.#paddingMax = paddingMax;
    this.#queues = new Queues(limits.queueMax);
  }

  /** True when nothing runs or waits. */
  get idle(): boolean {
    return this.#running.length === 0 && !this.#queues.peek('interactive') && !this.#queues.peek('batch');
  }

  get load(): EngineLoad {
    return {
      waitingInteractive: this.#queues.waiting('interactive'),
      waitingBatch: this.#queues.waiting('batch'),
      waitingAnswersInteractive: this.#queues.waitingAnswers('interactive'),
      waitingAnswersBatch: this.#queues.waitingAnswers('batch'),
      running: this.#running.length,
      runningAnswers: this.#slots(),
      intervalMs: this.#queues.intervalMs,
      freePages: this.#allocator.freeCount,
      keptPages: this.#allocator.idleCount,
    };
  }

  /**
   * Queues a request. Throws KV_CACHE_EXCEEDED if it can never run here, QUEUE_FULL if too
   * many wait, or so many that it would end too late.
   */
  submit(task: Task, wait: Omit<Wait, 'running'>): void {
    assert(task.slots <= this.#limits.slots, `request ${task.id} wants more slots than there are`);
    if (task.pagesMax > this.#allocator.pageCount) {
      throw new ZmeshError(
        'KV_CACHE_EXCEEDED',
        `the request may need ${task.pagesMax} pages of KV cache, the process has ${this.#allocator.pageCount}`,
        { limit: this.#allocator.pageCount, value: task.pagesMax },
      );
    }
    this.#queues.push(task, { ...wait, running: this.#slots() });
  }

  /** Removes a request, waiting or running, and frees what it holds. Returns undefined if it is not here (any more). */
  remove(id: number): Task | undefined {
    const waiting = this.#queues.remove(id);
    if (waiting) return waiting;
    const running = this.#running.find(({ task }) => task.id === id);
    if (running) this.#release(running);
    return running?.task;
  }

  /** A running request by its number. */
  running(id: number): Task | undefined {
    return this.#running.find(({ task }) => task.id === id)?.task;
  }

  /** What runs next; empty if nothing does. `onStart` is called for each request that is admitted. */
  plan(onStart: (task: Task) => void): readonly Batch[] {
    this.#admit(onStart);
    const waits = this.#queues.peek('interactive') !== undefined;
    return groupRows(this.#rows.next(this.#running, waits), this.#paddingMax);
  }

  /** Takes out what is done and frees it, and what answers leave whose request goes on. Call after every batch. */
  settle(nowMs: number): readonly Task[] {
    const before = this.#slots();
    const done = this.#running.filter(({ task }) => task.done);
    for (const running of done) this.#release(running);
    for (const running of this.#running) {
      const { slots, pagesMax } = running.task;
      this.#allocator.unreserve(running.pages - pagesMax);
      running.slots = slots;
      running.pages = pagesMax;
    }
    this.#queues.noteEnded(before - this.#slots(), nowMs);
    return done.map(({ task }) => task);
  }

  /** Asserts that pages, reservations and slots add up. */
  checkIntegrity(): void {
    this.#allocator.checkIntegrity();
    const pages = this.#running.reduce((sum, running) => sum + running.pages, 0);
    assert.equal(this.#allocator.reservedCount, pages, 'reservations do not add up');
    for (const { task, ...aside } of this.#running)
      assert(aside.pages >= task.pagesMax && aside.slots >= task.slots, 'more may be used than is set aside');
    assert(this.#slots() <= this.#limits.slots, 'more slots are filled than there are');
    if (this.#running.length === 0)
      assert.equal(this.#allocator.freeCount, this.#allocator.pageCount, 'pages leak');
  }

  #admit(onStart: (task: Task) => void): void {
    for (;;) {
      const task = this.#queues.peek('interactive') ?? this.#queues.peek('batch');
      if (!task || this.#slots() + task.slots > this.#limits.slots) return;
      if (task.priority === 'batch' && !this.#batchMayStart(task)) return;
      if (!this.#allocator.reserve(task.pagesMax)) return;
      this.#queues.shift(task.priority);
      this.#running.push({ task, passedOver: 0, slots: task.slots, pages: task.pagesMax });
      onStart(task);
    }
  }

  #batchMayStart(task: Task): boolean {
    if (this.#running.length === 0) return true;
    let { slots, pagesMax: pages } = task;
    for (const other of this.#running) {
      if (other.task.priority !== 'batch') continue;
      slots += other.slots;
      pages += other.pages;
    }
    return (
      slots <= this.#limits.slots * BATCH_SHARE_MAX && pages <= this.#allocator.pageCount * BATCH_SHARE_MAX
    );
  }

  #slots(): number {
    return this.#running.reduce((sum, { slots }) => sum + slots, 0);
  }

  #release(running: Admitted): void {
    running.task.release();
    this.#allocator.unreserve(running.pages);
    this.#running = this.#running.filter((other) => other !== running);
  }
}
