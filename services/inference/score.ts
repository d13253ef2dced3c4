import {
  type Continuation,
  type ContinuationScore,
  type Logits,
  LogitsScope,
  type ScoreRequest,
  type ScoreResponse,
} from '#proto/zmesh/v1/inference.js';
import { checkContext, fault, inRange } from '#shared/field.js';
import { MESSAGE_BYTES_MAX } from '#shared/rpc/limits.js';
import { monotonicMs } from '#shared/telemetry/clock.js';
import type { LogitsRows, ScoreMessage } from './engine/protocol.js';
import type { PassOptions } from './pass-options.js';
import { priorityClass } from './priority.js';
import { checkIds, encodePlain, encodePrompt } from './prompt.js';
import { passSummary } from './responses.js';
import type { ServedModel } from './served-model.js';

/** Most continuations of one request. */
const CONTINUATIONS_MAX = 256;
/** What a message holds beside logits. */
const MESSAGE_MARGIN_BYTES = 1024 * 1024;

const SCOPES = new Map<number, ScoreMessage['logits']>([
  [LogitsScope.UNSPECIFIED, 'none'],
  [LogitsScope.NONE, 'none'],
  [LogitsScope.LAST, 'last'],
  [LogitsScope.PROMPT, 'prompt'],
]);

/** Scores continuations of one prompt, and returns logits where asked for. */
export async function score(
  model: ServedModel,
  request: ScoreRequest,
  options: PassOptions,
): Promise<ScoreResponse> {
  const arrivedMs = monotonicMs();
  const { vocabularySize, contextLength } = model.engine.info;
  const priority = priorityClass(request.priority);
  const crowded = model.engine.crowded(priority, options);
  if (crowded) throw crowded;
  const logits = SCOPES.get(request.logits);
  if (!logits) throw fault('logits', `there is no scope ${request.logits}`, { value: request.logits });
  const topK = inRange('top_k', request.topK, { min: 0, max: vocabularySize });
  const { ids: prompt } = encodePrompt(model, request.prompt, options.promptBytesMax);
  checkContext('prompt', 'the prompt', prompt.length, contextLength);
  if (logits !== 'none')
    checkLogitsBytes(logits === 'prompt' ? prompt.length : 1, topK || vocabularySize, topK > 0);
  const continuations = continuationIds(model, request.continuations, options.promptBytesMax);
  continuations.forEach((ids, i) => {
    checkContext(
      `continuations[${i}]`,
      'the prompt and the continuation',
      prompt.length + ids.length,
      contextLength,
    );
  });
  if (continuations.length === 0 && logits === 'none')
    throw fault('continuations', 'give continuations, or ask for logits', {}, 'MISSING_FIELD');

  const { lease, cache } = await model.mixtures.resolve(request.mixture, options.signal);
  const { deadline, ageMs } = options;
  const asked = { prompt, priority, continuations, logits, topK, deadline, ageMs };
  const { score: result, times } = await model.engine.score({ spectrum: lease, ...asked }, options.signal);
  const usage = { promptTokens: prompt.length, completionTokens: 0 };
  return {
    scores: result.tokenLogProbs.map((logProbs, i) => continuationScore(continuations[i]!, logProbs)),
    logits: result.logits ? logitsMessage(result.logits) : undefined,
    summary: passSummary({ model, mixture: lease, cache, usage, times, arrivedMs, seed: 0n }),
  };
}

function continuationIds(
  model: ServedModel,
  given: readonly Continuation[],
  maxBytes: number,
): readonly Int32Array[] {
  if (given.length > CONTINUATIONS_MAX) {
    const details = { limit: CONTINUATIONS_MAX, value: given.length };
    throw fault('continuations', `at most ${CONTINUATIONS_MAX}, not ${given.length}`, details);
  }
  return given.map(({ input, endOfTurn }, i) => {
    const field = `continuations[${i}]`;
    if (!input) throw fault(field, 'is required: text or tokens', {}, 'MISSING_FIELD');
    const ids =
      input.$case === 'text'
        ? encodePlain(model, input.value, `${field}.text`, maxBytes)
        : checkIds(model, input.value.ids, `${field}.tokens.ids`);
    if (ids.length === 0 && !endOfTurn) throw fault(field, 'has no tokens', { value: 0, limit: 1 });
    return endOfTurn ? withLast(ids, endOfTurnId(model, `${field}.end_of_turn`)) : ids;
  });
}

/** Not by spreading: ids may be a million, and what is spread lies on the stack. */
function withLast(ids: Int32Array, last: number): Int32Array {
  const all = new Int32Array(ids.length + 1);
  all.set(ids);
  all[ids.length] = last;
  return all;
}

function endOfTurnId({ tokenizer, prepared }: ServedModel, field: string): number {
  const id = tokenizer?.eosTokenId ?? prepared.eosTokenIds[0];
  if (id === undefined) throw fault(field, 'the model has no end-of-turn token');
  return id;
}

function checkLogitsBytes(rows: number, columns: number, withIds: boolean): void {
  const limit = MESSAGE_BYTES_MAX - MESSAGE_MARGIN_BYTES;
  const bytes = rows * (columns * (withIds ? 8 : 4) + 4);
  if (bytes <= limit) return;
  const message = `${rows} rows of ${columns} take ${bytes} bytes; an answer holds ${limit}. Ask for the top k`;
  throw fault('logits', message, { limit, value: bytes }, 'TOO_LARGE');
}

function continuationScore(ids: Int32Array, logProbs: Float32Array): ContinuationScore {
  return {
    logLikelihood: logProbs.reduce((sum, logProb) => sum + logProb, 0),
    tokenIds: [...ids],
    tokenLogProbs: [...logProbs],
  };
}

function logitsMessage({ rows, columns, values, ids, logSumExp }: LogitsRows): Logits {
  return {
    rows,
    columns,
    values: bytesOf(values),
    tokenIds: ids ? bytesOf(ids) : new Uint8Array(0),
    logSumExp: bytesOf(logSumExp),
  };
}

/** Node runs on little-endian machines only. */
const bytesOf = ({ buffer, byteOffset, byteLength }: Float32Array | Int32Array): Uint8Array =>
  new Uint8Array(buffer as ArrayBuffer, byteOffset, byteLength);
