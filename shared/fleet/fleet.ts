import { trace } from '@opentelemetry/api';
import { Priority } from '#proto/zmesh/v1/common.js';
import type {
  GenerateTokensRequest,
  GenerateTokensResponse,
  ListServedModelsResponse,
  ServedModel,
} from '#proto/zmesh/v1/inference.js';
import { ZmeshError } from '../errors.js';
import type { CallOptions } from '../rpc/client.js';
import { affinityKey, mixtureExperts } from './affinity.js';
import { chooseReplica } from './choose-replica.js';
import type { Caller } from './fullness.js';
import type { Inference } from './inference.js';
import { cutOff, isLost, mayMoveOn, nobody, unanswered } from './lost-replica.js';
import { mergeModels } from './merge-models.js';
import type { Replica, Replicas } from './replicas.js';

/** All inference replicas, called as if they were one. */
export interface Fleet extends Inference {
  /** What they serve together; of two models with one name the one that was served before, else by more replicas. */
  listServedModels(): Promise<ListServedModelsResponse>;
  /**
   * The error with which every replica that serves the model would refuse a new request just now, as they told others. An
   * empty name = the only model served. Undefined = one may have room.
   */
  crowded(caller: Caller): ZmeshError | undefined;
}

/** How replicas are chosen. */
export interface FleetOptions {
  readonly replicas: Replicas;
  /** How many more requests than the least busy replica one may have and still be preferred for what it holds. */
  readonly affinityMargin: number;
}

type Routed = Pick<GenerateTokensRequest, 'model' | 'mixture' | 'prompt'> & { readonly priority?: Priority };

/** Most replicas that one call is tried on: a fault that all of them have is not asked of all of them. */
const TRIES_MAX = 3;

/**
 * Sends each call to the best replica. Until a replica has said anything, a call whose replica is lost, drains or stopped
 * moves on to another one by itself; afterwards its loss is ENGINE_STOPPED with the number of tokens that were sent.
 */
export function createFleet({ replicas, affinityMargin }: FleetOptions): Fleet {
  let served: ReadonlyMap<string, string> = new Map();

  const choose = (request: Routed, tried: ReadonlySet<Replica>, caller: Caller): Replica | undefined => {
    const wanted = {
      model: request.model,
      fingerprint: served.get(request.model),
      experts: mixtureExperts(request.mixture),
      // Hashes the prompt: only where there is a choice.
      get affinity() {
        return affinityKey(request);
      },
    };
    const untried = replicas.all().filter((replica) => !tried.has(replica));
    // The queue of one that is full for this caller decides only where no other has room.
    const free = untried.filter((replica) => !replica.fullness.refusal(caller, replica));
    return (
      (free.length < untried.length ? chooseReplica(free, wanted, affinityMargin) : undefined) ??
      chooseReplica(untried, wanted, affinityMargin)
    );
  };

  /** The replicas that one call visits. */
  const itinerary = (request: Routed, options: CallOptions) => {
    const { signal, deadline } = options;
    const tried = new Set<Replica>();
    const visit = (replica: Replica | undefined): Replica | undefined => {
      if (replica) tried.add(replica);
      return replica;
    };
    return {
      first(): Replica {
        const replica = visit(choose(request, tried, callerOf(request, options)));
        if (replica) return replica;
        throw nobody(`no inference replica is known that serves ${request.model}`);
      },
      /** The replica to move on to. Throws the error if there is none, or no try or time is left. */
      next(from: Replica, error: ZmeshError): Replica {
        const over = signal?.aborted || (deadline !== undefined && deadline <= performance.now());
        const last = over || tried.size >= TRIES_MAX;
        const to = last ? undefined : visit(choose(request, tried, callerOf(request, options)));
        if (!to) throw unanswered(error);
        trace.getActiveSpan()?.addEvent('zmesh.moved_on', {
          'error.type': error.reason,
          'zmesh.from': from.address,
          'zmesh.to': to.address,
        });
        return to;
      },
    };
  };

  const unary = async <T>(
    request: Routed,
    options: CallOptions,
    call: (replica: Replica) => Promise<T>,
  ): Promise<T> => {
    const way = itinerary(request, options);
    let replica = way.first();
    for (;;) {
      const lost = lostOrThrow(replicas, replica, request, options);
      const outcome = await working(replica, call).catch(lost);
      if (!(outcome instanceof ZmeshError)) {
        replica.fullness.answered(callerOf(request, options));
        return outcome;
      }
      replica = way.next(replica, outcome);
    }
  };

  return {
    score: (request, options = {}) => unary(request, options, ({ client }) => client.score(request, options)),
    encodeTokens: (request, options = {}) =>
      unary({ ...request, mixture: undefined }, options, ({ client }) =>
        client.encodeTokens(request, options),
      ),
    computeGradient: (request, options = {}) =>
      unary({ ...request, prompt: undefined }, options, ({ client }) =>
        client.computeGradient(request, options),
      ),
    async *generateTokens(request, options = {}) {
      const way = itinerary(request, options);
      let replica = way.first();
      for (;;) {
        const failure = yield* generateOn(replica, { request, options, replicas });
        if (!failure) return;
        replica = way.next(replica, failure);
      }
    },
    async listServedModels() {
      const models = mergeModels(await askAll(replicas), served);
      served = new Map(models.map(({ name, fingerprint }) => [name, fingerprint]));
      return { models };
    },
    crowded(caller) {
      const [only] = served.size === 1 ? served.keys() : [];
      const model = caller.model === '' ? (only ?? '') : caller.model;
      let least: ZmeshError | undefined;
      for (const replica of replicas.all()) {
        if (replica.down || replica.models?.has(model) === false) continue;
        const refusal = replica.fullness.refusal({ ...caller, model }, replica);
        if (!refusal) return undefined;
        if (!least || refusal.retryAfterMs! < least.retryAfterMs!) least = refusal;
      }
      return least;
    },
  };
}

/** Generates on one replica. Returns why it was lost, if that was before it said anything. */
async function* generateOn(
  replica: Replica,
  parts: {
    readonly request: GenerateTokensRequest;
    readonly options: CallOptions;
    readonly replicas: Replicas;
  },
): AsyncGenerator<GenerateTokensResponse, ZmeshError | undefined> {
  const { request, options, replicas } = parts;
  const lost = lostOrThrow(replicas, replica, request, options);
  let said = false;
  let tokens = 0;
  replica.inFlight++;
  try {
    for await (const message of replica.client.generateTokens(request, options)) {
      said = true;
      if (message.event?.$case === 'delta') tokens += message.event.value.tokenIds.length;
      yield message;
    }
    replica.fullness.answered(callerOf(request, options));
    return undefined;
  } catch (thrown) {
    const error = lost(thrown);
    if (said) throw cutOff(error, tokens);
    return error;
  } finally {
    replica.inFlight--;
  }
}

async function working<T>(replica: Replica, call: (replica: Replica) => Promise<T>): Promise<T> {
  replica.inFlight++;
  try {
    return await call(replica);
  } finally {
    replica.inFlight--;
  }
}

/** Notes a lost replica and gives its error; throws what is the call's own, and notes a full queue. */
function lostOrThrow(
  replicas: Replicas,
  replica: Replica,
  request: Routed,
  options: CallOptions,
): (thrown: unknown) => ZmeshError {
  const startMs = performance.now();
  const caller = callerOf(request, options);
  return (thrown) => {
    const error = ZmeshError.from(thrown);
    replica.fullness.note(caller, error, { inFlight: replica.inFlight, startMs });
    if (!mayMoveOn(error, options.signal)) throw error;
    if (isLost(error, options.signal)) replicas.lost(replica, error);
    return error;
  };
}

function callerOf({ model, priority = Priority.UNSPECIFIED }: Routed, { deadline }: CallOptions): Caller {
  return { model, priority, leftMs: (deadline ?? Number.POSITIVE_INFINITY) - performance.now() };
}

/** What every replica that answers serves. Throws INFERENCE_UNAVAILABLE if none does. */
async function askAll(replicas: Replicas): Promise<readonly (readonly ServedModel[])[]> {
  const all = replicas.all();
  const up = all.filter(({ down }) => !down);
  const results = await Promise.allSettled((up.length > 0 ? up : all).map((one) => replicas.ask(one)));
  const answers = results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
  if (answers.length > 0) return answers;
  const [failed] = results;
  if (failed?.status === 'rejected') throw unanswered(ZmeshError.from(failed.reason));
  throw nobody('no inference replica is known');
}
