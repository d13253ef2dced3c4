import {
  type ClassifyResponse,
  type CompleteResponse,
  DispatcherServiceService,
  type ModelDescription,
  type TokenizeResponse,
} from '#proto/zmesh/v1/dispatcher.js';
import { ExpertRegistryServiceService } from '#proto/zmesh/v1/expert_registry.js';
import type { TlsOptions } from '#shared/rpc/channel.js';
import { connect, type RpcClient } from '#shared/rpc/client.js';
import { AnswerStream } from './answer-stream.js';
import { type CallSettings, callOptions } from './call-settings.js';
import { Experts } from './experts.js';
import {
  type ClassifyQuestion,
  classifyRequest,
  generateRequest,
  type PromptInput,
  promptOf,
  type Question,
} from './question.js';
import { SAFE_METHODS } from './safe-methods.js';

export { type ErrorDetails, type Reason, ZmeshError } from '#shared/errors.js';
export type { TlsOptions } from '#shared/rpc/channel.js';
export type { AnswerEvent, AnswerStream } from './answer-stream.js';
export type { CallSettings } from './call-settings.js';
export type { AliasMove, ExpertFilter, Experts, NewExpert } from './experts.js';
export type { ClassifyQuestion, PromptInput, Question, StrategyInput } from './question.js';

/** Where the mesh is and how it is spoken to. */
export interface ZmeshClientOptions {
  /** The dispatcher: `host:port`, or several separated by commas, which are used in turn. */
  readonly address?: string | undefined;
  /** The expert registry, as `address`. Needed for `experts` alone. */
  readonly registryAddress?: string | undefined;
  /** Deadline of calls that answer once, milliseconds. Default 60 000; Infinity = none. Streams have none of their own. */
  readonly timeoutMs?: number | undefined;
  /** Default: no TLS. `{}` = TLS with the authorities that come with Node. */
  readonly tls?: TlsOptions | undefined;
  /** Metadata that every call sends, e.g. `{ authorization: 'Bearer …' }`. */
  readonly metadata?: Readonly<Record<string, string>> | undefined;
}

const TIMEOUT_MS = 60_000;

/**
 * A client of a mesh. Connections are made at the first call and kept. Every failure is a ZmeshError with a stable reason.
 * Calls that change nothing are tried again where a peer is unavailable, up to four times in all, before anything was answered.
 */
export class ZmeshClient {
  /** Publish, alias, get, list and watch experts. */
  readonly experts: Experts;
  readonly #options: ZmeshClientOptions;
  readonly #timeoutMs: number;
  #dispatcher: RpcClient<DispatcherServiceService> | undefined;
  #registry: RpcClient<ExpertRegistryServiceService> | undefined;

  constructor(options: ZmeshClientOptions) {
    this.#options = options;
    this.#timeoutMs = options.timeoutMs ?? TIMEOUT_MS;
    this.experts = new Experts(() => this.registry, this.#timeoutMs);
  }

  /** Every method of the dispatcher, with the contract's own messages. */
  get dispatcher(): RpcClient<DispatcherServiceService> {
    const { tls, metadata } = this.#options;
    this.#dispatcher ??= connect(DispatcherServiceService, {
      address: needed(this.#options.address, 'address', 'the dispatcher'),
      unavailable: 'DISPATCHER_UNAVAILABLE',
      retried: SAFE_METHODS.dispatcher,
      tls,
      metadata,
    });
    return this.#dispatcher;
  }

  /** Every method of the registry, with the contract's own messages. */
  get registry(): RpcClient<ExpertRegistryServiceService> {
    const { tls, metadata } = this.#options;
    this.#registry ??= connect(ExpertRegistryServiceService, {
      address: needed(this.#options.registryAddress, 'registryAddress', 'the expert registry'),
      unavailable: 'REGISTRY_UNAVAILABLE',
      retried: SAFE_METHODS.registry,
      tls,
      metadata,
    });
    return this.#registry;
  }

  /** Asks and streams the answers. */
  generate(question: Question, settings: CallSettings = {}): AnswerStream {
    const options = callOptions(settings, Number.POSITIVE_INFINITY);
    return new AnswerStream((onTrailers) =>
      this.dispatcher.generate(generateRequest(question), { ...options, onTrailers }),
    );
  }

  /** Asks and waits for whole answers and the receipt. */
  complete(question: Question, settings: CallSettings = {}): Promise<CompleteResponse> {
    return this.dispatcher.complete(
      { request: generateRequest(question) },
      callOptions(settings, this.#timeoutMs),
    );
  }

  /** Pass 1 alone: labels, their probabilities, and the mixture that would answer. */
  classify(question: ClassifyQuestion, settings: CallSettings = {}): Promise<ClassifyResponse> {
    return this.dispatcher.classify(classifyRequest(question), callOptions(settings, this.#timeoutMs));
  }

  /** Token ids of a prompt, and the text that the chat template makes of it. */
  tokenize(
    prompt: PromptInput,
    settings: CallSettings & { readonly model?: string } = {},
  ): Promise<TokenizeResponse> {
    return this.dispatcher.tokenize(
      { model: settings.model ?? '', prompt: promptOf(prompt) },
      callOptions(settings, this.#timeoutMs),
    );
  }

  /** The models that the mesh serves, with their routed experts. */
  async models(settings: CallSettings = {}): Promise<readonly ModelDescription[]> {
    return (await this.dispatcher.listModels({}, callOptions(settings, this.#timeoutMs))).models;
  }

  /** Closes the connections; calls in flight finish. */
  close(): void {
    this.#dispatcher?.close();
    this.#registry?.close();
  }
}

function needed(address: string | undefined, option: string, what: string): string {
  if (address) return address;
  throw new TypeError(`this client does not know where ${what} is: give it { ${option}: 'host:port' }`);
}
