import { CacheUse, FinishReason, Normalisation, PassTiming, Usage } from '#proto/zmesh/v1/common.js';
import {
  ComputeGradientResponse,
  type EncodeTokensRequest,
  type GenerateTokensRequest,
  type GenerateTokensResponse,
  InferenceServiceService,
  PassSummary,
  type ScoreRequest,
  ServedModel,
} from '#proto/zmesh/v1/inference.js';
import { sha256Hex } from '#shared/ids.js';
import { createLog } from '#shared/log.js';
import { ageOf } from '#shared/rpc/age.js';
import { bind } from '#shared/rpc/bind.js';
import type { CallContext } from '#shared/rpc/call.js';
import { type RpcServer, serve } from '#shared/rpc/server.js';

/** What the fake does; change it between calls. */
export interface InferenceBehaviour {
  models: ServedModel[];
  /** Log-likelihood of a label after a prompt. */
  likelihood: (label: string, request: ScoreRequest) => number;
  /** The text of an answer, one token a word. */
  answer: (request: GenerateTokensRequest, index: number) => string;
  /** How answers end. */
  finish: FinishReason;
  /** Runs before each call and before each token; throw or wait here. */
  before: (what: 'score' | 'generate' | 'token' | 'list', call: CallContext) => Promise<void>;
}

/** An inference service with hand-made answers, over real gRPC. */
export interface FakeInference extends InferenceBehaviour {
  readonly address: string;
  readonly scored: ScoreRequest[];
  readonly generated: GenerateTokensRequest[];
  readonly encoded: EncodeTokensRequest[];
  /** Deadlines that calls came with. */
  readonly deadlines: (number | undefined)[];
  /** `zmesh-age-ms` of each call. */
  readonly ages: number[];
  /** Times the served models were asked for. */
  listed: number;
  stop(): Promise<void>;
}

/** A model as inference tells of it. */
export function fakeModel(name: string, more: Partial<ServedModel> = {}): ServedModel {
  return {
    ...ServedModel.create({
      name,
      fingerprint: sha256Hex(name),
      basisId: `${sha256Hex(name)}:1`,
      architecture: 'llama',
      contextLength: 512,
      vocabularySize: 100,
      hasTokenizer: true,
      hasChatTemplate: true,
    }),
    ...more,
  };
}

/** Starts one. Defaults: one model `nano`, every label equally likely, the answer `one two`. */
export async function startFakeInference(port = 0): Promise<FakeInference> {
  const fake = {
    models: [fakeModel('nano')],
    likelihood: () => 0,
    answer: () => 'one two',
    finish: FinishReason.STOP as FinishReason,
    before: async () => {},
    scored: [],
    generated: [],
    encoded: [],
    deadlines: [],
    ages: [],
    listed: 0,
    address: '',
    stop: async () => {},
  } as { -readonly [K in keyof FakeInference]: FakeInference[K] };
  const server: RpcServer = await serve({
    host: '127.0.0.1',
    port,
    services: [handlersOf(fake)],
    log: createLog('fake', { ZMESH_LOG_LEVEL: 'silent' }),
  });
  fake.address = server.address;
  fake.stop = () => server.drain(0);
  return fake;
}

function handlersOf(fake: FakeInference) {
  return bind(InferenceServiceService, {
    async listServedModels(_request, call) {
      fake.listed++;
      await fake.before('list', call);
      return { models: fake.models };
    },
    async encodeTokens(request) {
      fake.encoded.push(request);
      return { tokenIds: [1, 2, 3], rendered: 'rendered', contextLength: 512 };
    },
    async computeGradient(request, call) {
      await fake.before('score', call);
      return ComputeGradientResponse.create({ sequences: request.sequences.map(() => ({})) as never });
    },
    async loadMultipliers({ vectors }) {
      return { expert: `draft@${sha256Hex(vectors)}`, leaseMs: 60_000n, draftsMax: 64 };
    },
    async score(request, call) {
      fake.scored.push(request);
      fake.deadlines.push(call.deadline);
      fake.ages.push(ageOf(call));
      await fake.before('score', call);
      const scores = request.continuations.map(({ input }) => {
        if (input?.$case !== 'text') throw new Error('labels come as text');
        return { logLikelihood: fake.likelihood(input.value, request), tokenIds: [1], tokenLogProbs: [0] };
      });
      return { scores, logits: undefined, summary: summaryOf(fake, request, 0) };
    },
    async *generateTokens(request, call) {
      fake.generated.push(request);
      fake.deadlines.push(call.deadline);
      fake.ages.push(ageOf(call));
      await fake.before('generate', call);
      yield* answers(fake, request, call);
    },
  });
}

async function* answers(
  fake: FakeInference,
  request: GenerateTokensRequest,
  call: CallContext,
): AsyncGenerator<GenerateTokensResponse> {
  let tokens = 0;
  for (let answer = 0; answer < Math.max(1, request.n); answer++) {
    const words = fake.answer(request, answer).split(/(?<= )/);
    for (const text of words) {
      await fake.before('token', call);
      tokens++;
      yield { event: { $case: 'delta', value: { answer, tokenIds: [tokens], text, logProbs: [] } } };
    }
    const value = { answer, finishReason: fake.finish, stopString: '', completionTokens: words.length };
    yield { event: { $case: 'end', value } };
  }
  yield { event: { $case: 'summary', value: summaryOf(fake, request, tokens) } };
}

function summaryOf(
  fake: FakeInference,
  request: ScoreRequest | GenerateTokensRequest,
  completionTokens: number,
): PassSummary {
  const arms = request.mixture?.arms ?? [];
  const model = fake.models.find(({ name }) => name === request.model);
  return PassSummary.create({
    modelFingerprint: model?.fingerprint ?? '',
    basisId: model?.basisId ?? '',
    mixtureHash: sha256Hex(JSON.stringify(arms)),
    normalisation: arms.length > 0 ? Normalisation.TRACE : Normalisation.UNSPECIFIED,
    usage: Usage.create({ promptTokens: 7, completionTokens }),
    timing: PassTiming.create({ queueMs: 1, prefillMs: 2, decodeMs: 3, totalMs: 4, steps: 5 }),
    cache: CacheUse.create({ mixtureResident: true, expertsResident: arms.length }),
    seed: 42n,
  });
}

/** Waits until the caller goes away; throws its reason. */
export function untilAborted(call: CallContext): Promise<never> {
  return new Promise((_, reject) => {
    const { signal } = call;
    if (signal.aborted) reject(signal.reason);
    else signal.addEventListener('abort', () => reject(signal.reason), { once: true });
  });
}
