import type { Attributes } from '@opentelemetry/api';
import {
  DOUBLING_SECONDS_BUCKETS,
  REQUEST_DURATION_BUCKETS,
  TIME_PER_OUTPUT_TOKEN_BUCKETS,
  TIME_TO_FIRST_TOKEN_BUCKETS,
} from './buckets.js';
import { counter, histogram } from './instruments.js';
import { ERROR_TYPE, GEN_AI, RPC, ZMESH } from './semconv.js';

/** One request, when it is over. */
export interface RequestOutcome {
  /** Method of the service, `Generate`. */
  readonly method: string;
  /** Undefined where nothing is generated. */
  readonly operation: 'chat' | 'text_completion' | undefined;
  readonly model: string;
  /** The strategy asked for. */
  readonly strategy: string;
  /** Name of its gRPC code. */
  readonly code: string;
  /** From arrival to the end, milliseconds. */
  readonly durationMs: number;
  /** From arrival to the first new token, milliseconds; absent if there was none. */
  readonly timeToFirstTokenMs?: number;
  /** What pass 2 took, milliseconds; absent if it did not come to its end. */
  readonly secondPassMs?: number;
  /** Tokens of pass 2; pass 1 is recorded when it is over (`recordFirstPass`). */
  readonly inputTokens: number;
  readonly outputTokens: number;
  /** The reason of its failure; absent if it succeeded. */
  readonly failure?: string;
}

const requests = counter({ name: 'zmesh.requests', unit: '{request}', description: 'Finished requests' });
const errors = counter({ name: 'zmesh.errors', unit: '{request}', description: 'Failed requests by reason' });
const tokens = counter({ name: 'zmesh.tokens', unit: '{token}', description: 'Tokens read and produced' });
const passes = histogram({
  name: 'zmesh.pass.duration',
  unit: 's',
  description: 'Pass 1 (finding the mixture) and pass 2 (answering), as the dispatcher sees them',
  buckets: DOUBLING_SECONDS_BUCKETS,
});
const duration = histogram({
  name: 'gen_ai.server.request.duration',
  unit: 's',
  description: 'Whole request',
  buckets: REQUEST_DURATION_BUCKETS,
});
const firstToken = histogram({
  name: 'gen_ai.server.time_to_first_token',
  unit: 's',
  description: 'From arrival to the first new token, pass 1 included',
  buckets: TIME_TO_FIRST_TOKEN_BUCKETS,
});
const perToken = histogram({
  name: 'gen_ai.server.time_per_output_token',
  unit: 's',
  description: 'Between two new tokens after the first',
  buckets: TIME_PER_OUTPUT_TOKEN_BUCKETS,
});

/** Counts a finished request and its tokens, and records its times; a failure is counted by its reason. */
export function recordRequest(outcome: RequestOutcome): void {
  const { model, strategy, failure } = outcome;
  const asked: Attributes = { [GEN_AI.REQUEST_MODEL]: model, [ZMESH.STRATEGY]: strategy };
  const failed: Attributes = failure === undefined ? {} : { [ERROR_TYPE]: failure };
  const { method, code } = outcome;
  requests.add(1, { ...asked, [RPC.METHOD]: method, [RPC.STATUS_CODE]: code });
  if (failure !== undefined) errors.add(1, { ...asked, [RPC.METHOD]: method, ...failed });
  recordTokens(outcome, asked);
  if (outcome.secondPassMs !== undefined)
    passes.record(outcome.secondPassMs / 1000, { ...asked, [ZMESH.PASS]: 'second' });
  if (outcome.operation) recordGeneration(outcome, asked, failed);
}

/** A pass 1 that came to its end, whatever becomes of its request. */
export interface FirstPassOutcome {
  readonly model: string;
  /** The strategy asked for. */
  readonly strategy: string;
  readonly durationMs: number;
  readonly inputTokens: number;
  /** Of the label, where the model wrote it. */
  readonly outputTokens: number;
}

/** Records the time of a pass 1 and counts its tokens. */
export function recordFirstPass(outcome: FirstPassOutcome): void {
  const { model, strategy, durationMs } = outcome;
  const asked: Attributes = { [GEN_AI.REQUEST_MODEL]: model, [ZMESH.STRATEGY]: strategy };
  recordTokens(outcome, asked);
  passes.record(durationMs / 1000, { ...asked, [ZMESH.PASS]: 'first' });
}

function recordTokens(
  { inputTokens, outputTokens }: Pick<RequestOutcome, 'inputTokens' | 'outputTokens'>,
  asked: Attributes,
): void {
  if (inputTokens > 0) tokens.add(inputTokens, { ...asked, [GEN_AI.TOKEN_TYPE]: 'input' });
  if (outputTokens > 0) tokens.add(outputTokens, { ...asked, [GEN_AI.TOKEN_TYPE]: 'output' });
}

function recordGeneration(outcome: RequestOutcome, asked: Attributes, failed: Attributes): void {
  const { durationMs, timeToFirstTokenMs, outputTokens } = outcome;
  const common: Attributes = {
    ...asked,
    [GEN_AI.OPERATION_NAME]: outcome.operation,
    [GEN_AI.PROVIDER_NAME]: 'zmesh',
  };
  duration.record(durationMs / 1000, { ...common, ...failed });
  if (timeToFirstTokenMs === undefined) return;
  firstToken.record(timeToFirstTokenMs / 1000, common);
  if (outputTokens > 1)
    perToken.record((durationMs - timeToFirstTokenMs) / 1000 / (outputTokens - 1), common);
}
