import type { ErrorReason } from '#proto/zmesh/v1/errors.js';

/** gRPC status codes by name, with their wire numbers. */
export const CODES = {
  CANCELLED: 1,
  INVALID_ARGUMENT: 3,
  DEADLINE_EXCEEDED: 4,
  NOT_FOUND: 5,
  ALREADY_EXISTS: 6,
  RESOURCE_EXHAUSTED: 8,
  FAILED_PRECONDITION: 9,
  ABORTED: 10,
  OUT_OF_RANGE: 11,
  INTERNAL: 13,
  UNAVAILABLE: 14,
  DATA_LOSS: 15,
} as const;

/** Name of a gRPC status code that zmesh uses. */
export type Code = keyof typeof CODES;

/** A stable reason, without the enum's prefix: `UNKNOWN_EXPERT`. */
export type Reason = Exclude<keyof typeof ErrorReason, 'UNSPECIFIED'>;

/** The catalogue: every reason and the gRPC code that goes with it. `proto/zmesh/v1/errors.proto` says what each means. */
export const REASONS: Readonly<Record<Reason, Code>> = {
  INVALID_FIELD: 'INVALID_ARGUMENT',
  MISSING_FIELD: 'INVALID_ARGUMENT',
  CONTEXT_EXCEEDED: 'INVALID_ARGUMENT',
  TOKEN_OUT_OF_RANGE: 'INVALID_ARGUMENT',
  NO_TOKENIZER: 'FAILED_PRECONDITION',
  NO_CHAT_TEMPLATE: 'FAILED_PRECONDITION',
  TEMPLATE_FAILED: 'INVALID_ARGUMENT',
  UNKNOWN_MODEL: 'NOT_FOUND',
  MODEL_REQUIRED: 'INVALID_ARGUMENT',
  UNKNOWN_EXPERT: 'NOT_FOUND',
  UNKNOWN_VERSION: 'NOT_FOUND',
  UNKNOWN_ALIAS: 'NOT_FOUND',
  EXPERT_RETIRED: 'FAILED_PRECONDITION',
  BASIS_MISMATCH: 'FAILED_PRECONDITION',
  UNKNOWN_MATRIX: 'INVALID_ARGUMENT',
  WRONG_SHAPE: 'INVALID_ARGUMENT',
  BAD_MULTIPLIER: 'INVALID_ARGUMENT',
  BAD_SAFETENSORS: 'INVALID_ARGUMENT',
  BAD_MIXTURE: 'INVALID_ARGUMENT',
  MIXED_NORMALISATION: 'INVALID_ARGUMENT',
  TOO_LARGE: 'RESOURCE_EXHAUSTED',
  QUEUE_FULL: 'RESOURCE_EXHAUSTED',
  KV_CACHE_EXCEEDED: 'RESOURCE_EXHAUSTED',
  DEADLINE: 'DEADLINE_EXCEEDED',
  CANCELLED: 'CANCELLED',
  DRAINING: 'UNAVAILABLE',
  INFERENCE_UNAVAILABLE: 'UNAVAILABLE',
  REGISTRY_UNAVAILABLE: 'UNAVAILABLE',
  ALIAS_CONFLICT: 'ABORTED',
  EXPERT_IN_USE: 'FAILED_PRECONDITION',
  MODEL_CONFLICT: 'ALREADY_EXISTS',
  NO_ROUTED_EXPERTS: 'FAILED_PRECONDITION',
  LABEL_AMBIGUOUS: 'FAILED_PRECONDITION',
  CORRUPT: 'DATA_LOSS',
  BAD_PAGE_TOKEN: 'INVALID_ARGUMENT',
  REVISION_UNAVAILABLE: 'OUT_OF_RANGE',
  INTERNAL: 'INTERNAL',
  ENGINE_STOPPED: 'UNAVAILABLE',
  SOURCE_UNAVAILABLE: 'UNAVAILABLE',
  GATE_FAILED: 'FAILED_PRECONDITION',
  SANDBOX_UNAVAILABLE: 'FAILED_PRECONDITION',
  REWARD_UNAVAILABLE: 'UNAVAILABLE',
  BAD_REWARD: 'FAILED_PRECONDITION',
  UNKNOWN_JOB: 'NOT_FOUND',
  JOB_STATE: 'FAILED_PRECONDITION',
  TRAINER_UNAVAILABLE: 'UNAVAILABLE',
  REQUEST_CONFLICT: 'ALREADY_EXISTS',
  DISPATCHER_UNAVAILABLE: 'UNAVAILABLE',
  FORMAT_NEWER: 'UNAVAILABLE',
};

/** What an error says beside its reason and message. */
export interface ErrorDetails {
  /** The request field at fault, as in the proto (`sampling.temperature`). */
  readonly field?: string;
  /** The limit that was crossed. */
  readonly limit?: number | string;
  /** The value that was given. */
  readonly value?: number | string;
  /** Milliseconds after which trying again may help. */
  readonly retryAfterMs?: number;
  /** Names involved (`model`, `expert`, …); string to string. */
  readonly names?: Readonly<Record<string, string>>;
  /** The code of a reason that this version's catalogue lacks: a newer peer gave it. Else the catalogue's counts. */
  readonly code?: Code;
  /** For the log only; never sent. */
  readonly cause?: unknown;
}

/**
 * The one error of zmesh: a stable reason, the gRPC code that the catalogue gives it, and a message that holds the
 * limit and the value. Use it for callers' faults and for outages; use `assert` for our own bugs.
 */
export class ZmeshError extends Error {
  readonly reason: Reason;
  readonly code: Code;
  readonly details: ErrorDetails;

  constructor(reason: Reason, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.name = 'ZmeshError';
    this.reason = reason;
    this.code = (REASONS as Partial<typeof REASONS>)[reason] ?? details.code ?? 'INTERNAL';
    this.details = details;
  }

  /** The limit that was crossed. */
  get limit(): number | string | undefined {
    return this.details.limit;
  }

  /** The value that was given. */
  get value(): number | string | undefined {
    return this.details.value;
  }

  /** The request field at fault. */
  get field(): string | undefined {
    return this.details.field;
  }

  /** Milliseconds after which trying again may help. */
  get retryAfterMs(): number | undefined {
    return this.details.retryAfterMs;
  }

  /** Anything thrown, as a ZmeshError: itself, or INTERNAL with the original as cause. */
  static from(thrown: unknown): ZmeshError {
    if (thrown instanceof ZmeshError) return thrown;
    const message = thrown instanceof Error ? thrown.message : String(thrown);
    return new ZmeshError('INTERNAL', `internal fault: ${message}`, { cause: thrown });
  }
}
