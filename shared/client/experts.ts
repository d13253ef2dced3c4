import type {
  ExpertRegistryServiceService,
  ExpertVersion,
  SetAliasResponse,
  WatchExpertsResponse,
} from '#proto/zmesh/v1/expert_registry.js';
import { ZmeshError } from '#shared/errors.js';
import { readExpertFile } from '#shared/experts/expert-file.js';
import { chosenNormalisation, type Published, publishExpert } from '#shared/experts/publish.js';
import type { RpcClient } from '#shared/rpc/client.js';
import type { NormalisationName } from '#shared/svf/model.js';
import { parseExpertName } from '#shared/svf/names.js';
import { type CallSettings, callOptions } from './call-settings.js';

/** An expert to publish: a safetensors file of multipliers, and what is to differ from what the file says of itself. */
export interface NewExpert {
  /** `model/expert`. */
  readonly name: string;
  /** One F32 vector a matrix, finite and ≥ 0, in the order of falling σ. */
  readonly file: Uint8Array;
  readonly kind?: 'task' | 'classifier' | undefined;
  /** Default: the file's, else the registry's rules apply (`none` or `trace` must be said somewhere). */
  readonly normalisation?: NormalisationName | undefined;
  /** The label that routes to it. Default: the file's; empty = never routed to. */
  readonly label?: string | undefined;
  readonly description?: string | undefined;
  /** Free facts, beside the file's. */
  readonly metadata?: Readonly<Record<string, string>> | undefined;
  /** Labels that a classification expert was trained to write. Default: the file's. */
  readonly categories?: readonly string[] | undefined;
  /** Also moved to the new version. Default none. */
  readonly alias?: string | undefined;
}

/** Where an alias is to point. */
export interface AliasMove {
  /** `model/expert@alias`. */
  readonly name: string;
  /** 64 hex digits. */
  readonly version: string;
  /** Only if it points to this version now; empty = only if it does not exist. Default: whatever it points to. */
  readonly expectedVersion?: string | undefined;
}

/** Which versions to list. */
export interface ExpertFilter {
  /** Default all. */
  readonly model?: string | undefined;
  /** Default all. */
  readonly name?: string | undefined;
  /** Default false. */
  readonly includeRetired?: boolean | undefined;
}

const PAGE_SIZE = 500;

/** The experts of a mesh. All of it may throw what the registry refuses, as ZmeshError. */
export class Experts {
  readonly #registry: () => RpcClient<ExpertRegistryServiceService>;
  readonly #timeoutMs: number;

  constructor(registry: () => RpcClient<ExpertRegistryServiceService>, timeoutMs: number) {
    this.#registry = registry;
    this.#timeoutMs = timeoutMs;
  }

  /** Publishes an immutable version. A `trace` expert is folded first: each arm of a mixture then has the base's scale. */
  async publish(expert: NewExpert, settings: CallSettings = {}): Promise<Published> {
    const { model, expert: name } = fullName(expert.name);
    const { kind = 'task', alias = '' } = expert;
    const file = readExpertFile(expert.file);
    return publishExpert({
      registry: this.#registry(),
      model,
      name,
      kind,
      alias,
      label: expert.label ?? (kind === 'classifier' ? '' : file.label),
      description: expert.description ?? file.description,
      metadata: { ...file.metadata, ...expert.metadata },
      categories: expert.categories ?? file.categories,
      expert: {
        normalisation: chosenNormalisation(expert.normalisation, file.normalisation),
        multipliers: file.multipliers,
      },
      call: callOptions(settings, this.#timeoutMs),
    });
  }

  /** Moves or creates an alias; ALIAS_CONFLICT if it is not where `expectedVersion` says. */
  async alias(move: AliasMove, settings: CallSettings = {}): Promise<SetAliasResponse> {
    const { model, expert, selector: alias = '' } = fullName(move.name);
    const { version, expectedVersion } = move;
    return this.#registry().setAlias(
      { model, expert, alias, version, expectedVersion },
      callOptions(settings, this.#timeoutMs),
    );
  }

  /** One version by `model/expert@version`, `model/expert@alias`, or the routed alias without @. */
  async get(name: string, settings: CallSettings = {}): Promise<ExpertVersion> {
    const { expert } = await this.#registry().getExpert({ name }, callOptions(settings, this.#timeoutMs));
    if (!expert) throw new ZmeshError('INTERNAL', 'the registry sent no expert');
    return expert;
  }

  /** All versions, newest first within an expert, fetched in pages as they are read. */
  async *list(filter: ExpertFilter = {}, settings: CallSettings = {}): AsyncGenerator<ExpertVersion> {
    const { model = '', name = '', includeRetired = false } = filter;
    let pageToken = '';
    do {
      const page = await this.#registry().listExperts(
        { model, name, includeRetired, pageSize: PAGE_SIZE, pageToken },
        callOptions(settings, this.#timeoutMs),
      );
      yield* page.experts;
      pageToken = page.nextPageToken;
    } while (pageToken !== '');
  }

  /** The present state, then every change, until the loop is left or the signal aborts. `afterRevision` goes on from there. */
  watch(
    from: { readonly model?: string | undefined; readonly afterRevision?: bigint | undefined } = {},
    settings: CallSettings = {},
  ): AsyncIterable<WatchExpertsResponse> {
    const { model = '', afterRevision = 0n } = from;
    return this.#registry().watchExperts(
      { model, afterRevision },
      callOptions(settings, Number.POSITIVE_INFINITY),
    );
  }
}

function fullName(text: string): { readonly model: string; readonly expert: string; selector?: string } {
  const { model, expert, selector } = parseExpertName(text, 'name');
  if (model === undefined)
    throw new ZmeshError('MODEL_REQUIRED', `write model/${text}: "${text}" names no model`, {
      field: 'name',
      value: text,
    });
  return { model, expert, ...(selector !== undefined && { selector }) };
}
