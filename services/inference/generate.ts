import { FinishReason, type TokenLogProbs } from '#proto/zmesh/v1/common.js';
import type { GenerateTokensRequest, GenerateTokensResponse } from '#proto/zmesh/v1/inference.js';
import { inRange } from '#shared/field.js';
import { monotonicMs } from '#shared/telemetry/clock.js';
import { AnswerText } from './answer-text.js';
import type { EngineEvent, GenerationStream } from './engine.js';
import type { PassOptions } from './pass-options.js';
import { priorityClass } from './priority.js';
import { encodePrompt } from './prompt.js';
import { deltaResponse, endResponse, passSummary, tokenLogProbs } from './responses.js';
import { type CheckedSampling, checkSampling } from './sampling-request.js';
import type { ServedModel } from './served-model.js';

/** Most answers of one request. */
const ANSWERS_MAX = 64;
/**
 * How long pieces of an answer gather where nobody reads along: fewer messages to send and to read. Processor time of this
 * thread that it saves could not be told from noise.
 */
const BATCH_PIECE_MS = 250;

/** One answer as it is told. */
interface AnswerState {
  readonly text: AnswerText | null;
  tokens: number;
  ended: boolean;
}

/** What gathered for one answer since the last message. */
interface Gathered {
  tokenIds: number[];
  text: string;
  logProbs: TokenLogProbs[];
  end: GenerateTokensResponse | null;
}

/** By answer. */
type Gatherings = Map<number, Gathered>;

/** Generates: check → encode → mixture → engine → text. Ends with the summary. */
export async function* generate(
  model: ServedModel,
  request: GenerateTokensRequest,
  options: PassOptions,
): AsyncGenerator<GenerateTokensResponse> {
  const arrivedMs = monotonicMs();
  const { engine, prepared, tokenizer } = model;
  const priority = priorityClass(request.priority);
  const crowded = engine.crowded(priority, options);
  if (crowded) throw crowded;
  const n = inRange('n', request.n || 1, { min: 1, max: Math.min(ANSWERS_MAX, engine.limits.slots) });
  const { ids: prompt } = encodePrompt(model, request.prompt, options.promptBytesMax);
  const { vocabularySize, contextLength } = engine.info;
  const bounds = {
    vocabularySize,
    contextLength,
    promptTokens: prompt.length,
    hasTokenizer: tokenizer !== null,
  };
  const sampling = checkSampling(request.sampling, bounds);
  const { lease, cache } = await model.mixtures.resolve(request.mixture, options.signal);
  const endIds = sampling.ignoreEos ? [] : prepared.eosTokenIds;
  const { signal, deadline, ageMs } = options;
  const asked = { prompt, priority, n, maxTokens: sampling.maxTokens, endIds, sampling: sampling.plan };
  const stream = engine.generate({ spectrum: lease, deadline, ageMs, ...asked }, signal);

  const answers = Array.from({ length: n }, (): AnswerState => {
    const text = tokenizer ? new AnswerText(tokenizer.decoder(), sampling.stops) : null;
    return { text, tokens: 0, ended: false };
  });
  const gathered: Gatherings = new Map();
  let toldMs = arrivedMs;
  for await (const events of stream.events) {
    gather(events, answers, { sampling, stream, gathered });
    const last = events.at(-1)!;
    if (priority === 'interactive' || last.type === 'end' || monotonicMs() - toldMs >= BATCH_PIECE_MS) {
      yield* tell(gathered);
      toldMs = monotonicMs();
    }
    if (last.type !== 'end') continue;
    const completionTokens = answers.reduce((sum, { tokens }) => sum + tokens, 0);
    const usage = { promptTokens: prompt.length, completionTokens };
    const facts = {
      model,
      mixture: lease,
      cache,
      usage,
      times: last.times,
      arrivedMs,
      seed: sampling.plan.seed,
    };
    yield { event: { $case: 'summary', value: passSummary(facts) } };
  }
}

/** Adds what happened to what gathered for each answer. */
function gather(
  events: readonly EngineEvent[],
  answers: readonly AnswerState[],
  context: {
    readonly sampling: CheckedSampling;
    readonly stream: GenerationStream;
    readonly gathered: Gatherings;
  },
): void {
  const { gathered } = context;
  for (const event of events) {
    if (event.type === 'end') continue;
    const answer = answers[event.answer]!;
    if (answer.ended) continue;
    let piece = gathered.get(event.answer);
    if (!piece) {
      piece = { tokenIds: [], text: '', logProbs: [], end: null };
      gathered.set(event.answer, piece);
    }
    if (event.type === 'token') addToken(piece, answer, event, context.stream);
    else addEnd(piece, answer, event, context.sampling);
  }
}

/** The messages for what gathered: at most one delta for each answer, then its end. Nothing is left of it. */
function* tell(gathered: Gatherings): Generator<GenerateTokensResponse> {
  for (const [answer, { tokenIds, text, logProbs, end }] of gathered) {
    if (tokenIds.length > 0 || text !== '') yield deltaResponse({ answer, tokenIds, text, logProbs });
    if (end) yield end;
  }
  gathered.clear();
}

function addToken(
  piece: Gathered,
  answer: AnswerState,
  event: EngineEvent & { type: 'token' },
  stream: GenerationStream,
): void {
  answer.tokens++;
  piece.tokenIds.push(event.token);
  const logProbs = tokenLogProbs(event);
  if (logProbs) piece.logProbs.push(logProbs);
  if (!answer.text) return;
  const { text, stop } = answer.text.push(event.token);
  piece.text += text;
  if (stop === undefined) return;
  stream.stopAnswer(event.answer);
  finish(piece, answer, { answer: event.answer, finishReason: FinishReason.STOP_STRING, stopString: stop });
}

function addEnd(
  piece: Gathered,
  answer: AnswerState,
  event: EngineEvent & { type: 'answerEnd' },
  { contextBound }: CheckedSampling,
): void {
  const { text, stop } = answer.text?.end() ?? { text: '' };
  piece.text += text;
  const full = contextBound ? FinishReason.CONTEXT : FinishReason.LENGTH;
  const reason = event.reason === 'end' ? FinishReason.STOP : full;
  finish(piece, answer, {
    answer: event.answer,
    finishReason: stop === undefined ? reason : FinishReason.STOP_STRING,
    stopString: stop ?? '',
  });
}

function finish(
  piece: Gathered,
  answer: AnswerState,
  end: { answer: number; finishReason: FinishReason; stopString: string },
): void {
  answer.ended = true;
  piece.end = endResponse({ ...end, completionTokens: answer.tokens });
}
