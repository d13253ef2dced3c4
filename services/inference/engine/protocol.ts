import type { ErrorDetails, Reason } from '#shared/errors.js';
import type { PreparedModel } from '../model/prepared.js';
import type { RuntimeInfo } from '../runtime/runtime.js';
import type { SamplingPlan, TokenLogProbability } from './sampling.js';
import type { PriorityClass } from './task.js';

/** Limits of one engine. */
export interface EngineLimits {
  /** Most prompt tokens computed in one step, beside one token for each running answer: how long a running stream may stall. */
  readonly stepTokens: number;
  /** Most answers computed at a time. */
  readonly slots: number;
  /** Most requests that wait, of each priority class. */
  readonly queueMax: number;
  /** Bytes of keys and values that stay for prompts to come; 0 = none. They are part of the KV storage. */
  readonly prefixBytes: number;
}

/** Where the worker finds its runtime: a module and the name of the function that makes one. */
export interface RuntimeSource {
  /** URL of the module. */
  readonly module: string;
  readonly create: string;
  /** Passed to the function as it is. */
  readonly options: RuntimeOptions;
}

/** What every runtime is made from. */
export interface RuntimeOptions {
  /** Folder of the prepared model. */
  readonly folder: string;
  readonly model: PreparedModel;
  /** Bytes of KV storage at most. */
  readonly kvBytes: number;
  /** Threads of one operator. */
  readonly threads: number;
}

/** What a worker is started with. */
export interface WorkerStart {
  readonly runtime: RuntimeSource;
  readonly limits: EngineLimits;
}

interface RequestBase {
  /** The engine's own number of the request. */
  readonly id: number;
  readonly prompt: Int32Array;
  /** Hash of a mixture whose spectrum was sent. */
  readonly mixture: string;
  readonly priority: PriorityClass;
  /** When it came in, `monotonicMs()`. */
  readonly arrivedMs: number;
  /** When it came in at the front door, on the same clock. */
  readonly sinceMs: number;
  /** When its caller stops waiting for it, on the same clock; infinite = never. */
  readonly dueMs: number;
}

/** A request to generate. */
export interface GenerateMessage extends RequestBase {
  readonly type: 'generate';
  readonly n: number;
  readonly maxTokens: number;
  /** Ids that end an answer; empty = none does. */
  readonly endIds: readonly number[];
  readonly sampling: SamplingPlan;
}

/** A request to score. */
export interface ScoreMessage extends RequestBase {
  readonly type: 'score';
  /** Each at least one token. */
  readonly continuations: readonly Int32Array[];
  readonly logits: 'none' | 'last' | 'prompt';
  /** 0 = whole rows. */
  readonly topK: number;
}

/** What the main thread tells the worker. Messages are handled in order, between two steps. */
export type ToEngine =
  | GenerateMessage
  | ScoreMessage
  | { readonly type: 'addSpectrum'; readonly mixture: string; readonly spectrum: Float32Array }
  | { readonly type: 'removeSpectrum'; readonly mixture: string }
  /** Ends one answer of a request as if it had met its end. */
  | { readonly type: 'stopAnswer'; readonly id: number; readonly answer: number }
  | { readonly type: 'cancel'; readonly id: number }
  /** Frees the runtime and ends the worker; nothing is running any more. */
  | { readonly type: 'close' };

/** A new token. */
export interface TokenMessage {
  readonly id: number;
  readonly answer: number;
  readonly token: number;
  /** Undefined unless asked for. */
  readonly logProb?: number;
  /** Undefined unless asked for. */
  readonly top?: readonly TokenLogProbability[];
}

/** The end of one answer. */
export interface AnswerEndMessage {
  readonly id: number;
  readonly answer: number;
  /** `stopped` = by stopAnswer. */
  readonly reason: 'end' | 'length' | 'stopped';
}

/** Rows of logits, as asked for. */
export interface LogitsRows {
  readonly rows: number;
  readonly columns: number;
  /** [rows, columns]. */
  readonly values: Float32Array;
  /** [rows, columns], where only the best are told; else null. */
  readonly ids: Int32Array | null;
  /** [rows]. */
  readonly logSumExp: Float32Array;
}

/** What a Score found. */
export interface ScoreResult {
  /** For each continuation, the log-probability of each token. */
  readonly tokenLogProbs: readonly Float32Array[];
  readonly logits: LogitsRows | null;
}

/** When a request passed from one phase to the next, `monotonicMs()`; null = never got there. */
export interface RequestTimes {
  readonly arrivedMs: number;
  /** Its first row was scheduled. */
  readonly startedMs: number | null;
  /** Its prompt was complete. */
  readonly prefilledMs: number | null;
  readonly endedMs: number;
  /** Steps that worked on its prompt. */
  readonly promptSteps: number;
  /** Steps that worked on its answers. */
  readonly decodeSteps: number;
  /** Prompt tokens whose keys and values were there already. */
  readonly cachedTokens: number;
}

/** The end of a request; `failure` if it was refused, cancelled or failed. */
export interface EndMessage {
  readonly id: number;
  readonly times: RequestTimes;
  readonly score?: ScoreResult;
  readonly failure?: FailureMessage;
}

/** A ZmeshError in a form that crosses threads. */
export interface FailureMessage {
  readonly reason: Reason;
  readonly message: string;
  readonly details: Omit<ErrorDetails, 'cause'>;
  /** The original's stack, for the log. */
  readonly cause?: string;
}

/** What happened in one call of the runtime, in one message. */
export interface StepMessage {
  readonly type: 'step';
  readonly tokens: readonly TokenMessage[];
  readonly answers: readonly AnswerEndMessage[];
  readonly ended: readonly EndMessage[];
  /** Calls of the runtime since the last message: prompts are computed in several that tell nothing else. */
  readonly steps: readonly StepFacts[];
  readonly load: EngineLoad;
}

/** One call of the runtime. */
export interface StepFacts {
  readonly kind: 'prompt' | 'answer' | 'mixed';
  readonly rows: number;
  /** New tokens that it computed, padding not counted. */
  readonly tokens: number;
  readonly durationMs: number;
}

/** How busy an engine is. */
export interface EngineLoad {
  readonly waitingInteractive: number;
  readonly waitingBatch: number;
  /** Answers that the waiting requests ask for. */
  readonly waitingAnswersInteractive: number;
  readonly waitingAnswersBatch: number;
  readonly running: number;
  /** Answers of the running requests. */
  readonly runningAnswers: number;
  /** Milliseconds from one answer's end to the next one's while others wait; null until enough ended. */
  readonly intervalMs: number | null;
  /** Pages that nobody holds, kept ones included. */
  readonly freePages: number;
  /** Those of the free pages that are kept for prompts to come. */
  readonly keptPages: number;
}

/** What the worker tells the main thread. */
export type FromEngine = { readonly type: 'ready'; readonly info: RuntimeInfo } | StepMessage;
