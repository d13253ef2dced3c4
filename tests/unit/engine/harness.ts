import { createCore, type EngineCore } from '#services/inference/engine/core.js';
import type {
  EngineLimits,
  GenerateMessage,
  ScoreMessage,
  StepMessage,
} from '#services/inference/engine/protocol.js';
import type { SamplingPlan } from '#services/inference/engine/sampling.js';
import { createFakeRuntime, type FakeRuntime, type FakeRuntimeOptions } from '../../support/fake-runtime.js';

/** Greedy, nothing asked for. */
export const GREEDY: SamplingPlan = {
  temperature: 0,
  topK: 0,
  topP: 1,
  minP: 0,
  repetitionPenalty: 1,
  seed: 1n,
  logProbs: false,
  topLogProbs: 0,
};

/** A generate message with plain values where none are given. */
export function generateMessage(
  given: Partial<GenerateMessage> & { id: number; prompt: Int32Array },
): GenerateMessage {
  return {
    type: 'generate',
    mixture: 'm',
    priority: 'interactive',
    arrivedMs: 0,
    sinceMs: 0,
    dueMs: Number.POSITIVE_INFINITY,
    n: 1,
    maxTokens: 4,
    endIds: [],
    sampling: GREEDY,
    ...given,
  };
}

/** A score message with plain values where none are given. */
export function scoreMessage(
  given: Partial<ScoreMessage> & { id: number; prompt: Int32Array },
): ScoreMessage {
  return {
    type: 'score',
    mixture: 'm',
    priority: 'interactive',
    arrivedMs: 0,
    sinceMs: 0,
    dueMs: Number.POSITIVE_INFINITY,
    continuations: [],
    logits: 'none',
    topK: 0,
    ...given,
  };
}

/** What a request came to. */
export interface Outcome {
  readonly answers: Map<number, number[]>;
  readonly reasons: Map<number, string>;
  end: StepMessage['ended'][number] | undefined;
}

/** An engine core over the fake runtime, run until it is idle. */
export interface Harness {
  readonly core: EngineCore;
  readonly runtime: FakeRuntime;
  readonly messages: StepMessage[];
  outcome(id: number): Outcome;
  /** Closes the engine when everything has ended, and waits for it. */
  finish(): Promise<void>;
  /** Called with every message. */
  onMessage: (message: StepMessage) => void;
}

/** Starts one. Spectrum `m` has value 0. */
export function startHarness(limits: Partial<EngineLimits> = {}, options: FakeRuntimeOptions = {}): Harness {
  const runtime = createFakeRuntime(options);
  const outcomes = new Map<number, Outcome>();
  const outcome = (id: number): Outcome => {
    if (!outcomes.has(id)) outcomes.set(id, { answers: new Map(), reasons: new Map(), end: undefined });
    return outcomes.get(id)!;
  };
  const open = new Set<number>();
  let clock = 0;
  let whenIdle: (() => void) | null = null;
  const harness: Harness = {
    runtime,
    messages: [],
    outcome,
    onMessage: () => {},
    core: createCore({
      runtime,
      limits: { stepTokens: 16, slots: 8, queueMax: 100, prefixBytes: 0, ...limits },
      now: () => ++clock,
      send(message) {
        harness.messages.push(message);
        for (const { id, answer, token } of message.tokens) {
          const { answers } = outcome(id);
          answers.set(answer, [...(answers.get(answer) ?? []), token]);
        }
        for (const { id, answer, reason } of message.answers) outcome(id).reasons.set(answer, reason);
        for (const end of message.ended) {
          outcome(end.id).end = end;
          open.delete(end.id);
        }
        harness.core.checkIntegrity();
        harness.onMessage(message);
        if (open.size === 0) whenIdle?.();
      },
    }),
    async finish() {
      if (open.size > 0) {
        await new Promise<void>((resolve) => {
          whenIdle = resolve;
        });
      }
      post({ type: 'close' });
      await running;
    },
  };
  const post = harness.core.post;
  (harness.core as { post: typeof post }).post = (message) => {
    if (message.type === 'generate' || message.type === 'score') open.add(message.id);
    post(message);
  };
  harness.core.post({ type: 'addSpectrum', mixture: 'm', spectrum: Float32Array.of(0) });
  const running = harness.core.run();
  running.catch(() => {});
  return harness;
}
