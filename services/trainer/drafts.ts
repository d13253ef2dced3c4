import type { Mixture } from '#proto/zmesh/v1/common.js';
import { ZmeshError } from '#shared/errors.js';
import type { InferenceClient } from '#shared/fleet/replicas.js';
import type { CallOptions } from '#shared/rpc/client.js';
import { draftHash } from '#shared/svf/draft.js';
import type { Expert } from '#shared/svf/model.js';
import { DRAFT } from '#shared/svf/names.js';
import { normalisationValue } from '#shared/svf/normalisation.js';
import { writeVectors } from '#shared/svf/vectors.js';

/** A model that drafts belong to. */
export interface DraftOwner {
  readonly model: string;
  readonly basisId: string;
}

interface Draft {
  readonly model: string;
  readonly expert: Expert;
}

/** Multipliers that are published nowhere, by the name under which inference knows them once they are loaded. */
export interface Drafts {
  /** Keeps multipliers; the name of the arm that stands for them, `draft@<hash>`. Call `forget` when they are no longer asked for. */
  add(owner: DraftOwner, expert: Expert): string;
  forget(name: string): void;
  /** A replica's client that loads drafts there when they are asked for and not there (any more). */
  loading(client: InferenceClient): InferenceClient;
}

/** An empty collection. */
export function createDrafts(): Drafts {
  const drafts = new Map<string, Draft>();
  return {
    add(owner, expert) {
      const name = `${DRAFT}@${draftHash(owner, expert)}`;
      drafts.set(name, { model: owner.model, expert });
      return name;
    },
    forget: (name) => drafts.delete(name),
    loading: (client) => loadingClient(client, drafts),
  };
}

type Asked = { readonly mixture: Mixture | undefined };

function loadingClient(client: InferenceClient, drafts: ReadonlyMap<string, Draft>): InferenceClient {
  const loads = new Map<string, Promise<unknown>>();
  /** Loads what a request names; each draft once, whoever asks first. */
  const prepare = async ({ mixture }: Asked): Promise<void> => {
    for (const name of loads.keys()) if (!drafts.has(name)) loads.delete(name);
    for (const { expert: name } of mixture?.arms ?? []) {
      const draft = drafts.get(name);
      if (!draft) continue;
      let load = loads.get(name);
      if (!load) {
        load = client.loadMultipliers({
          requestId: '',
          model: draft.model,
          vectors: writeVectors(draft.expert.multipliers),
          normalisation: normalisationValue(draft.expert.normalisation),
        });
        loads.set(name, load);
        load.catch(() => loads.delete(name));
      }
      await load;
    }
  };
  /** True if the replica lost a draft of ours: its lease ran out, others took its place, or the process is another one. */
  const lost = (thrown: unknown, { mixture }: Asked): boolean => {
    if (ZmeshError.from(thrown).reason !== 'UNKNOWN_EXPERT') return false;
    const names = (mixture?.arms ?? []).map(({ expert }) => expert).filter((name) => drafts.has(name));
    for (const name of names) loads.delete(name);
    return names.length > 0;
  };
  const unary =
    <Q extends Asked, R>(call: (request: Q, options?: CallOptions) => Promise<R>) =>
    async (request: Q, options?: CallOptions): Promise<R> => {
      await prepare(request);
      try {
        return await call(request, options);
      } catch (error) {
        if (!lost(error, request)) throw error;
        await prepare(request);
        return call(request, options);
      }
    };
  return {
    ...client,
    score: unary(client.score),
    async *generateTokens(request, options) {
      await prepare(request);
      let said = false;
      try {
        for await (const message of client.generateTokens(request, options)) {
          said = true;
          yield message;
        }
        return;
      } catch (error) {
        if (said || !lost(error, request)) throw error;
      }
      await prepare(request);
      yield* client.generateTokens(request, options);
    },
  };
}
