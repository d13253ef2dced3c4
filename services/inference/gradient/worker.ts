// The gradients' thread: one task at a time, part by part as the main thread says.
import { readlinkSync } from 'node:fs';
import { setPriority } from 'node:os';
import { parentPort, workerData } from 'node:worker_threads';
import { failureMessage } from '../engine/outbox.js';
import type { PreparedModel } from '../model/prepared.js';
import type { GradientRuntime, GradientRuntimeOptions } from '../runtime/gradient-runtime.js';
import { type Accumulator, accumulator } from './accumulate.js';
import { packPart } from './pack.js';
import { type PlannedPart, planParts } from './plan.js';
import type { FromGradient, GradientWorkerStart, ToGradient } from './protocol.js';
import type { GradientTask } from './task.js';

/** How much this thread yields to the engines' on a busy core; [−20, 19]. At 5 it gets a quarter of a core that both want. */
const NICE = 5;

interface Current {
  readonly task: GradientTask;
  readonly parts: readonly PlannedPart[];
  readonly sums: Accumulator;
  next: number;
}

type Create = (options: GradientRuntimeOptions<PreparedModel>) => Promise<GradientRuntime>;

const { runtime: source, memoryBytes } = workerData as GradientWorkerStart;
const port = parentPort!;
yieldToOthers();
const module = (await import(source.module)) as Record<string, Create>;
const runtime = await module[source.create]!(source.options);
const { slidingWindow, hiddenSize } = source.options.model.config;
let current: Current | null = null;

port.on('message', (message: ToGradient) => {
  void handle(message).catch((error: unknown) => tell({ type: 'failed', failure: failureMessage(error) }));
});

async function handle(message: ToGradient): Promise<void> {
  switch (message.type) {
    case 'plan':
      return plan(message.task);
    case 'run':
      return runNext(current!);
    case 'close':
      await runtime.dispose();
      port.close();
  }
}

function plan(task: GradientTask): void {
  const parts = planParts(task.sequences, {
    memoryBytes,
    bytesOf: (sizes) => runtime.runBytes(task.kl, sizes),
    width: hiddenSize,
  });
  current = { task, parts, sums: accumulator(task), next: 0 };
  const rows = parts.flatMap(({ members }) => members);
  tell({
    type: 'planned',
    facts: {
      parts: parts.length,
      computedTokens: rows.reduce((sum, { tokens }) => sum + tokens, 0),
      plannedBytes: Math.max(...parts.map(({ bytes }) => bytes)),
    },
  });
}

async function runNext(running: Current): Promise<void> {
  const { task, parts, sums } = running;
  const part = parts[running.next++]!;
  sums.add(part, await runtime.run(task.kl, packPart(task, part, slidingWindow)));
  const last = running.next === parts.length;
  if (last) current = null;
  tell({ type: 'ran', outcome: last ? sums.outcome : null });
}

/** Where cores are scarce, decoding goes first: on Linux a priority can be a thread's own, and threads that it starts inherit it. */
function yieldToOthers(): void {
  if (process.platform !== 'linux') return;
  const thread = Number(readlinkSync('/proc/thread-self').split('/').at(-1));
  setPriority(thread, NICE);
}

function tell(message: FromGradient): void {
  port.postMessage(message);
}
