// Every attribute and span name that zmesh writes, in one place. Semantic conventions 1.45: `rpc.*` is stable, `messaging.*`
// and `gen_ai.*` are in development (gen_ai lives in a repository of its own, so its strings are copied here).

/** Remote calls (stable). Span name: `package.Service/Method`. */
export const RPC = {
  /** `grpc`. */
  SYSTEM_NAME: 'rpc.system.name',
  /** `package.Service/Method`. */
  METHOD: 'rpc.method',
  /** Name of the gRPC code: `OK`, `NOT_FOUND`, … */
  STATUS_CODE: 'rpc.status_code',
} as const;

/** Messages over NATS. Span names: `send <subject>` and `process <subject>`. */
export const MESSAGING = {
  /** `nats`. */
  SYSTEM_NAME: 'messaging.system.name',
  /** `send` or `process`. */
  OPERATION_TYPE: 'messaging.operation.type',
  /** The client's own name of it: `publish`, `consume`. */
  OPERATION_NAME: 'messaging.operation.name',
  /** The subject. */
  DESTINATION_NAME: 'messaging.destination.name',
  /** The deduplication id, where there is one. */
  MESSAGE_ID: 'messaging.message.id',
  /** Bytes of the payload. */
  BODY_SIZE: 'messaging.message.body.size',
} as const;

/** Generative AI. */
export const GEN_AI = {
  /** `chat` (messages) or `text_completion` (text, token ids). */
  OPERATION_NAME: 'gen_ai.operation.name',
  /** `zmesh`. */
  PROVIDER_NAME: 'gen_ai.provider.name',
  REQUEST_MODEL: 'gen_ai.request.model',
  REQUEST_MAX_TOKENS: 'gen_ai.request.max_tokens',
  REQUEST_TEMPERATURE: 'gen_ai.request.temperature',
  REQUEST_TOP_P: 'gen_ai.request.top_p',
  REQUEST_TOP_K: 'gen_ai.request.top_k',
  REQUEST_SEED: 'gen_ai.request.seed',
  RESPONSE_MODEL: 'gen_ai.response.model',
  /** One for each answer. */
  RESPONSE_FINISH_REASONS: 'gen_ai.response.finish_reasons',
  USAGE_INPUT_TOKENS: 'gen_ai.usage.input_tokens',
  USAGE_OUTPUT_TOKENS: 'gen_ai.usage.output_tokens',
  /** Prompt tokens whose keys and values were already there. */
  USAGE_CACHE_READ_INPUT_TOKENS: 'gen_ai.usage.cache_read.input_tokens',
  /** `input` or `output`; on counters. */
  TOKEN_TYPE: 'gen_ai.token.type',
  /** The prompt. Only with `ZMESH_TRACE_CONTENT=true`. */
  INPUT_MESSAGES: 'gen_ai.input.messages',
  /** The answers. Only with `ZMESH_TRACE_CONTENT=true`. */
  OUTPUT_MESSAGES: 'gen_ai.output.messages',
} as const;

/** What went wrong: zmesh's stable reason (`UNKNOWN_EXPERT`), or the gRPC code on rpc spans. */
export const ERROR_TYPE = 'error.type';

/** zmesh's own. */
export const ZMESH = {
  /** Id of the request. */
  REQUEST_ID: 'zmesh.request.id',
  /** `interactive` or `batch`. */
  PRIORITY: 'zmesh.priority',
  /** The strategy asked for: `none`, `expert`, `mixture`, `prompt`, `classifier`, `auto`. On both passes. */
  STRATEGY: 'zmesh.strategy',
  /** The strategy that was used; differs for `auto`. */
  STRATEGY_USED: 'zmesh.strategy.used',
  /** Best label of pass 1. */
  LABEL: 'zmesh.label',
  /** Its probability, [0, 1]. */
  CONFIDENCE: 'zmesh.confidence',
  /** True if the base answers because confidence was below the threshold. */
  ABSTAINED: 'zmesh.abstained',
  /** Names of the mixture's experts, `model/expert@version` with the version cut to 12 digits; empty = the base. */
  EXPERTS: 'zmesh.experts',
  /** Hash of the composed mixture. */
  MIXTURE_HASH: 'zmesh.mixture.hash',
  /** True if the composed mixture was resident. */
  MIXTURE_RESIDENT: 'zmesh.mixture.resident',
  /** Experts fetched from the registry for this pass. */
  EXPERTS_FETCHED: 'zmesh.experts.fetched',
  /** What the engine was asked for: `generate` or `score`. On the engine's phases. */
  ENGINE_REQUEST: 'zmesh.engine.request',
  /** Engine steps that worked on this phase. */
  ENGINE_STEPS: 'zmesh.engine.steps',
  /** Name of the expert that an event or a registry call is about. */
  EXPERT: 'zmesh.expert',
  /** Registry revision of an event. */
  REVISION: 'zmesh.registry.revision',
  /** `first` or `second`; on metrics. */
  PASS: 'zmesh.pass',
  /** What the rows of an engine step were: `prompt`, `answer`, or `mixed`; on metrics. */
  STEP_KIND: 'zmesh.engine.step.kind',
  /** Whose KV pages: of `running` requests, `kept` for prompts to come, or `free`; on metrics. */
  PAGE_STATE: 'zmesh.engine.pages.state',
  /** How something was found: `resident` or `fetched`, a mixture `resident` or `composed`; on metrics. */
  FOUND: 'zmesh.found',
  /** `up` or `down`; on metrics of replicas. */
  REPLICA_STATE: 'zmesh.replica.state',
  /** `served` or `retired`; on metrics of versions. */
  VERSION_STATE: 'zmesh.version.state',
  /** `run` or `adaptation`; on metrics of jobs. */
  JOB_KIND: 'zmesh.job.kind',
  /** `queued`, `running`, `paused`, `succeeded`, `failed`, `cancelled`; on metrics. */
  JOB_STATE: 'zmesh.job.state',
  /** `reinforce`, `next-token`, `sep-cma-es`; on metrics of training. */
  ALGORITHM: 'zmesh.algorithm',
  /** Mixtures of a search's wave. */
  CANDIDATES: 'zmesh.candidates',
  /** Steps of a search that a span stands for, where more than one. */
  SEARCH_STEPS: 'zmesh.search.steps',
  /** Calls that a span stands for. */
  CALLS: 'zmesh.calls',
  /** Tokens that a search that shares nothing would have generated. */
  NAIVE_TOKENS: 'zmesh.tokens.naive',
  /** Name of a connection to NATS. */
  CONNECTION: 'zmesh.nats.connection',
} as const;

/** Names of the spans that are no remote call and no message. */
export const SPAN = {
  FIRST_PASS: 'first pass',
  SECOND_PASS: 'second pass',
  RESOLVE_MIXTURE: 'resolve mixture',
  ENGINE_QUEUE: 'engine queue',
  ENGINE_PREFILL: 'engine prefill',
  ENGINE_DECODE: 'engine decode',
  ENGINE_GRADIENT: 'engine gradient',
  JOB_QUEUE: 'queued',
  CHECK_EXAMPLES: 'check examples',
  WAVE_SCORE: 'wave: likelihood of references',
  WAVE_GENERATE: 'wave: answers',
  PUBLISH: 'choose and publish',
} as const;
