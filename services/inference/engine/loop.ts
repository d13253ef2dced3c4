import { ZmeshError } from '#shared/errors.js';
import type { Runtime } from '../runtime/runtime.js';
import type { Batch } from './batches.js';
import type { Inbox } from './inbox.js';
import { failureMessage, type Outbox } from './outbox.js';
import type { StepFacts, StepMessage, ToEngine } from './protocol.js';
import type { RequestLedger } from './request-ledger.js';
import type { Scheduler } from './scheduler.js';

/** What the loop works with. */
export interface LoopParts {
  readonly inbox: Inbox;
  readonly scheduler: Scheduler;
  readonly runtime: Runtime;
  readonly ledger: RequestLedger;
  readonly outbox: Outbox;
  /** Handles one message; false ends the loop. */
  receive(message: ToEngine): boolean;
  send(message: StepMessage): void;
}

/** The engine: receive → schedule → run → sample → emit, until it is told to close. */
export async function runLoop(parts: LoopParts): Promise<void> {
  const { inbox, scheduler, ledger } = parts;
  for (;;) {
    if (scheduler.idle) await inbox.arrival();
    // Requests join and leave here alone: between two steps nothing of a running row changes.
    for (const message of inbox.takeAll()) if (!parts.receive(message)) return;
    const batches = scheduler.plan((task) => ledger.started(task.id));
    for (const [i, batch] of batches.entries()) {
      // A person who comes while a step runs does not wait for the batch work in it that has not begun: it is planned again.
      if (i > 0 && inbox.urgent && batch.rows.every(({ task }) => task.priority === 'batch')) break;
      await runBatch(parts, batch);
      emit(parts);
    }
    emit(parts);
    await eventLoopTurn();
  }
}

async function runBatch({ runtime, scheduler, ledger, outbox }: LoopParts, batch: Batch): Promise<void> {
  // A task whose row failed in an earlier batch of this step is gone.
  const failed = (id: number, error: unknown): void => {
    if (scheduler.remove(id)) outbox.end(ledger.ended(id, { failure: failureMessage(error) }));
  };
  try {
    const startMs = ledger.now();
    const result = await runtime.step(
      batch.rows.map((row) => row.step),
      batch.outputs,
    );
    outbox.step(stepFacts(batch, ledger.now() - startMs));
    let at = 0;
    for (const row of batch.rows) {
      try {
        if (scheduler.running(row.task.id)) row.task.accept(row, result, at);
      } catch (error) {
        if (!(error instanceof ZmeshError)) throw error;
        failed(row.task.id, error);
      }
      at += row.step.wanted.length;
    }
    for (const [id, { answer }] of new Map(batch.rows.map((row) => [row.task.id, row])))
      ledger.worked(id, answer < 0 ? 'prompt' : 'decode');
  } catch (error) {
    if (!(error instanceof ZmeshError)) throw error;
    for (const { task } of batch.rows) failed(task.id, error);
  }
}

function stepFacts({ rows }: Batch, durationMs: number): StepFacts {
  const prompts = rows.filter(({ answer }) => answer < 0).length;
  const kind = prompts === 0 ? 'answer' : prompts === rows.length ? 'prompt' : 'mixed';
  const tokens = rows.reduce((sum, { step }) => sum + step.tokens.length, 0);
  return { kind, rows: rows.length, tokens, durationMs };
}

function emit({ scheduler, ledger, outbox, send }: LoopParts): void {
  for (const task of scheduler.settle(ledger.now())) outbox.end(ledger.completed(task));
  const message = outbox.take(() => scheduler.load);
  if (message) send(message);
}

/** Lets messages in: a runtime may answer without leaving the thread's microtasks. */
const eventLoopTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
