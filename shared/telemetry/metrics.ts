import { type Attributes, type Counter, type Histogram, type Meter, metrics } from '@opentelemetry/api';
import { ERROR_TYPE, GEN_AI, ZMESH } from './semconv.js';

/** Seconds; the semantic conventions' buckets of `gen_ai.server.request.duration`. */
export const REQUEST_DURATION_BUCKETS: readonly number[] = [
  0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92,
];
/** Seconds; of `gen_ai.server.time_to_first_token`. */
export const TIME_TO_FIRST_TOKEN_BUCKETS: readonly number[] = [
  0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10,
];
/** Seconds; of `gen_ai.server.time_per_output_token`. */
export const TIME_PER_OUTPUT_TOKEN_BUCKETS: readonly number[] = [
  0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1, 2.5,
];

/** One request, when it is over. */
export interface RequestOutcome {
  readonly operation: 'chat' | 'text_completion';
  readonly model: string;
  /** The strategy asked for. */
  readonly strategy: string;
  /** From arrival to the end, milliseconds. */
  readonly durationMs: number;
  /** From arrival to the first new token, milliseconds; absent if there was none. */
  readonly timeToFirstTokenMs?: number;
  readonly inputTokens: number;
  readonly outputTokens: number;
  /** The reason of its failure; absent if it succeeded. */
  readonly failure?: string;
}

/** One queue of requests. */
export interface QueueDepth {
  readonly priority: 'interactive' | 'batch';
  /** Requests that wait. */
  readonly depth: number;
}

interface Instruments {
  readonly duration: Histogram;
  readonly firstToken: Histogram;
  readonly perToken: Histogram;
  readonly requests: Counter;
  readonly errors: Counter;
  readonly tokens: Counter;
}

/** Counts a finished request and its tokens, and records its times; a failure is counted by its reason. */
export function recordRequest(outcome: RequestOutcome): void {
  const { duration, firstToken, perToken, requests, errors, tokens } = instruments();
  const common: Attributes = {
    [GEN_AI.OPERATION_NAME]: outcome.operation,
    [GEN_AI.PROVIDER_NAME]: 'zmesh',
    [GEN_AI.REQUEST_MODEL]: outcome.model,
    [ZMESH.STRATEGY]: outcome.strategy,
  };
  const failure: Attributes = outcome.failure === undefined ? {} : { [ERROR_TYPE]: outcome.failure };
  requests.add(1, { ...common, ...failure });
  duration.record(outcome.durationMs / 1000, { ...common, ...failure });
  if (outcome.failure !== undefined) errors.add(1, { ...common, ...failure });
  if (outcome.inputTokens > 0) tokens.add(outcome.inputTokens, { ...common, [GEN_AI.TOKEN_TYPE]: 'input' });
  if (outcome.outputTokens > 0) {
    tokens.add(outcome.outputTokens, { ...common, [GEN_AI.TOKEN_TYPE]: 'output' });
  }
  if (outcome.timeToFirstTokenMs === undefined) return;
  firstToken.record(outcome.timeToFirstTokenMs / 1000, common);
  if (outcome.outputTokens > 1) {
    const decodeMs = outcome.durationMs - outcome.timeToFirstTokenMs;
    perToken.record(decodeMs / 1000 / (outcome.outputTokens - 1), common);
  }
}

/** Reports the depth of the engine's queues whenever metrics are collected. Call the result to stop. */
export function observeQueueDepth(model: string, read: () => readonly QueueDepth[]): () => void {
  const gauge = meter().createObservableGauge('zmesh.engine.queue.depth', {
    unit: '{request}',
    description: 'Requests that wait for a place in the batch',
  });
  const observe: Parameters<typeof gauge.addCallback>[0] = (result) => {
    for (const { priority, depth } of read()) {
      result.observe(depth, { [GEN_AI.REQUEST_MODEL]: model, [ZMESH.PRIORITY]: priority });
    }
  };
  gauge.addCallback(observe);
  return () => gauge.removeCallback(observe);
}

function meter(): Meter {
  return metrics.getMeter('zmesh');
}

let made: { readonly meter: Meter; readonly instruments: Instruments } | undefined;

// The API has no proxy for meters: an instrument made before telemetry starts would stay silent for ever.
function instruments(): Instruments {
  const current = meter();
  if (made?.meter !== current) made = { meter: current, instruments: create(current) };
  return made.instruments;
}

function create(source: Meter): Instruments {
  const seconds = (name: string, description: string, buckets: readonly number[]): Histogram =>
    source.createHistogram(name, {
      unit: 's',
      description,
      advice: { explicitBucketBoundaries: [...buckets] },
    });
  return {
    duration: seconds('gen_ai.server.request.duration', 'Whole request', REQUEST_DURATION_BUCKETS),
    firstToken: seconds(
      'gen_ai.server.time_to_first_token',
      'From arrival to the first new token, pass 1 included',
      TIME_TO_FIRST_TOKEN_BUCKETS,
    ),
    perToken: seconds(
      'gen_ai.server.time_per_output_token',
      'Between two new tokens after the first',
      TIME_PER_OUTPUT_TOKEN_BUCKETS,
    ),
    requests: source.createCounter('zmesh.requests', { unit: '{request}', description: 'Finished requests' }),
    errors: source.createCounter('zmesh.errors', {
      unit: '{request}',
      description: 'Failed requests by reason',
    }),
    tokens: source.createCounter('zmesh.tokens', {
      unit: '{token}',
      description: 'Tokens read and produced',
    }),
  };
}
