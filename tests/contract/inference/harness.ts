import { join } from 'node:path';
import { type Mixture, Normalisation, Prompt, Sampling } from '#proto/zmesh/v1/common.js';
import { ExpertKind, ExpertSpec } from '#proto/zmesh/v1/expert_registry.js';
import {
  type AnswerEnd,
  GenerateTokensRequest,
  InferenceServiceService,
  type PassSummary,
  type TokenDelta,
} from '#proto/zmesh/v1/inference.js';
import { DraftStore } from '#services/inference/drafts.js';
import { ExpertCache, type ExpertContent } from '#services/inference/experts.js';
import { inferenceHandlers } from '#services/inference/handlers.js';
import { createMixtures } from '#services/inference/mixtures.js';
import { loadTokenizer } from '#services/inference/model/tokenizer.js';
import { type ServedModel, servedModels } from '#services/inference/served-model.js';
import { ZmeshError } from '#shared/errors.js';
import { createLog } from '#shared/log.js';
import { projectRoot } from '#shared/paths.js';
import { connect, type RpcClient } from '#shared/rpc/client.js';
import { serve } from '#shared/rpc/server.js';
import { writeVectors } from '#shared/svf/vectors.js';
import { expertVersion } from '#shared/svf/version.js';
import { type FakeEngineOptions, fakePrepared, startFakeEngine } from '../../support/fake-engine.js';
import { type FakeGradientOptions, startFakeGradients } from '../../support/fake-gradients.js';

/** σ of the fake model's only matrix: the base's spectrum value. */
export const SIGMA = 2;

/** An inference service in this process: real gRPC, real engine thread, fake runtime; experts from memory. */
export interface InferenceHarness {
  readonly client: RpcClient<typeof InferenceServiceService>;
  /** What the next fetch of an expert throws; null = none. */
  outage: ZmeshError | null;
  /** Makes an expert of multiplier `m`; returns its exact name. */
  publish(name: string, m: number, spec?: Partial<ExpertSpec>, retired?: boolean): string;
  stop(): Promise<void>;
}

/** What differs from one model with octo-nano's tokenizer. */
export interface HarnessOptions extends FakeEngineOptions {
  readonly tokenizer?: boolean;
  /** Names of the served models. Default `fake`. */
  readonly models?: readonly string[];
  readonly gradients?: FakeGradientOptions;
}

/** Starts one. */
export async function startInferenceHarness(options: HarnessOptions = {}): Promise<InferenceHarness> {
  const experts = new Map<string, ExpertContent>();
  const tokenizer =
    options.tokenizer === false ? null : await loadTokenizer(join(projectRoot, 'models/octo-nano'));
  const vocabularySize = options.vocabularySize ?? (tokenizer ? tokenizer.vocabularySize : 97);
  const cache = new ExpertCache(
    {
      async fetch({ expert, version }) {
        if (harness.outage) throw harness.outage;
        const content = experts.get(version);
        if (!content) throw new ZmeshError('UNKNOWN_VERSION', `${expert} has no version ${version}`);
        return content;
      },
    },
    1 << 20,
  );
  const served: ServedModel[] = [];
  for (const name of options.models ?? ['fake']) {
    const prepared = { ...fakePrepared({ ...options, vocabularySize }), name };
    const engine = await startFakeEngine({ ...options, vocabularySize });
    const matrices = [{ name: 'w', sigma: Float64Array.of(SIGMA) }];
    const { basisId } = prepared;
    const mixtures = createMixtures({
      model: name,
      basisId,
      matrices,
      experts: cache,
      drafts: new DraftStore({ max: 4, leaseMs: 60_000 }),
      spectra: engine.spectra,
    });
    const gradients = startFakeGradients(prepared, {
      busy: () => engine.load.waitingInteractive > 0,
      ...options.gradients,
    });
    served.push({ prepared, tokenizer, engine, mixtures, gradients });
  }
  const services = [inferenceHandlers({ models: servedModels(served), promptBytesMax: 4096 })];
  const log = createLog('inference-test', { ZMESH_LOG_LEVEL: 'fatal' });
  const server = await serve({ host: '127.0.0.1', port: 0, services, log });
  const client = connect(InferenceServiceService, {
    address: server.address,
    unavailable: 'INFERENCE_UNAVAILABLE',
  });
  const harness: InferenceHarness = {
    client,
    outage: null,
    publish(name, m, given = {}, retired = false) {
      const multipliers = new Map([['w', Float32Array.of(m)]]);
      const spec = ExpertSpec.create({
        model: 'fake',
        name,
        basisId: fakePrepared().basisId,
        normalisation: Normalisation.NONE,
        kind: ExpertKind.TASK,
        ...given,
      });
      const version = expertVersion(spec, multipliers);
      experts.set(version, { spec, retired, vectors: writeVectors(multipliers) });
      return `${name}@${version}`;
    },
    async stop() {
      client.close();
      await server.drain(1000);
      await Promise.all(served.map(({ engine }) => engine.drain()));
      await Promise.all(served.map(({ gradients }) => gradients.drain()));
    },
  };
  return harness;
}

/** A prompt of token ids. */
export const ids = (...given: number[]): Prompt =>
  Prompt.create({ input: { $case: 'tokens', value: { ids: given } } });
/** A raw prompt. */
export const text = (given: string): Prompt => Prompt.create({ input: { $case: 'text', value: given } });

/** A request with plain values where none are given. */
export function generateRequest(
  given: Omit<Partial<GenerateTokensRequest>, 'sampling' | 'mixture'> & {
    sampling?: Partial<Sampling>;
    mixture?: Mixture;
  } = {},
): GenerateTokensRequest {
  const { sampling, mixture, ...rest } = given;
  const request = GenerateTokensRequest.create({ prompt: ids(5, 6, 7), ...rest });
  return { ...request, mixture, sampling: Sampling.create({ maxTokens: 4, ...sampling }) };
}

/** All that one call told. */
export interface Told {
  readonly deltas: TokenDelta[];
  readonly ends: AnswerEnd[];
  readonly summary: PassSummary | undefined;
  /** Kinds of messages, in order. */
  readonly order: readonly string[];
}

/** Reads a generation to its end. */
export async function tellAll(
  harness: InferenceHarness,
  request: GenerateTokensRequest,
  options: { readonly signal?: AbortSignal; readonly timeoutMs?: number } = {},
): Promise<Told> {
  const told = { deltas: [] as TokenDelta[], ends: [] as AnswerEnd[], order: [] as string[] };
  let summary: PassSummary | undefined;
  for await (const { event } of harness.client.generateTokens(request, options)) {
    told.order.push(event!.$case);
    if (event?.$case === 'delta') told.deltas.push(event.value);
    if (event?.$case === 'end') told.ends.push(event.value);
    if (event?.$case === 'summary') summary = event.value;
  }
  return { ...told, summary };
}
