import { createCore } from '#services/inference/engine/core.js';
import type {
  EndMessage,
  EngineLimits,
  ScoreMessage,
  StepMessage,
} from '#services/inference/engine/protocol.js';
import type {} from '#services/inference/engine/sampling.js';
import type { Runtime } from '#services/inference/runtime/runtime.js';
import { monotonicMs } from '#shared/telemetry/clock.js';
import { GREEDY } from './greedy.js';

/** A greedy answer. */
export interface LocalAnswer {
  /** Tokens, the one that ended it among them. */
  readonly ids: readonly number[];
  /** False where it was cut off. */
  readonly whole: boolean;
  /** Best two of each token, where asked for. */
  readonly top: readonly (readonly { readonly token: number; readonly logProb: number }[])[];
}

/** The engine without its thread: scheduler, batches and pages around a runtime, in this process. */
export interface LocalEngine {
  addSpectrum(mixture: string, spectrum: Float32Array): void;
  /** Answers greedily. */
  answer(asked: {
    readonly prompt: Int32Array;
    readonly mixture: string;
    readonly maxTokens: number;
    readonly endIds: readonly number[];
    /** Tell the best two of each token. Default false. */
    readonly top?: boolean;
  }): Promise<LocalAnswer>;
  /** Log-likelihood of a continuation. */
  score(asked: Pick<ScoreMessage, 'prompt' | 'mixture'> & { readonly of: Int32Array }): Promise<number>;
  /** When all answers are read. Frees the runtime. */
  close(): Promise<void>;
}

interface Pending {
  readonly ids: number[];
  readonly top: { token: number; logProb: number }[][];
  whole: boolean;
  readonly done: (end: EndMessage) => void;
}

/** Starts the engine's core around a runtime. No prefix is kept: what is computed is what was asked for. */
export function openLocalEngine(
  runtime: Runtime,
  limits: Pick<EngineLimits, 'slots' | 'stepTokens'>,
): LocalEngine {
  const pending = new Map<number, Pending>();
  const core = createCore({
    runtime,
    limits: { ...limits, queueMax: 100_000, prefixBytes: 0 },
    now: monotonicMs,
    send: (message) => receive(message, pending),
  });
  const running = core.run();
  let requests = 0;
  const ask = (post: (head: Head) => void): Promise<{ readonly read: Pending; readonly end: EndMessage }> =>
    new Promise((resolve, reject) => {
      const id = ++requests;
      const read: Pending = {
        ids: [],
        top: [],
        whole: false,
        done: (end) => (end.failure ? reject(new Error(end.failure.message)) : resolve({ read, end })),
      };
      pending.set(id, read);
      const arrivedMs = monotonicMs();
      post({ id, priority: 'batch', arrivedMs, sinceMs: arrivedMs, dueMs: Number.POSITIVE_INFINITY });
    });
  return {
    addSpectrum: (mixture, spectrum) => core.post({ type: 'addSpectrum', mixture, spectrum }),
    async answer({ top = false, ...asked }) {
      const sampling = top ? { ...GREEDY, logProbs: true, topLogProbs: 2 } : GREEDY;
      const { read } = await ask((head) =>
        core.post({ type: 'generate', ...head, ...asked, n: 1, sampling }),
      );
      return read;
    },
    async score({ of, ...asked }) {
      const { end } = await ask((head) =>
        core.post({ type: 'score', ...head, ...asked, continuations: [of], logits: 'none', topK: 0 }),
      );
      return end.score!.tokenLogProbs[0]!.reduce((sum, value) => sum + value, 0);
    },
    async close() {
      core.post({ type: 'close' });
      await running;
      await runtime.dispose();
    },
  };
}

type Head = Pick<ScoreMessage, 'id' | 'priority' | 'arrivedMs' | 'sinceMs' | 'dueMs'>;

function receive({ tokens, answers, ended }: StepMessage, pending: Map<number, Pending>): void {
  for (const { id, token, top } of tokens) {
    const read = pending.get(id)!;
    read.ids.push(token);
    if (top) read.top.push([...top]);
  }
  for (const { id, reason } of answers) pending.get(id)!.whole = reason === 'end';
  for (const end of ended) {
    pending.get(end.id)!.done(end);
    pending.delete(end.id);
  }
}
