import type { InferencePresence } from '#proto/zmesh/v1/events.js';
import type { InferenceServiceService, ServedModel } from '#proto/zmesh/v1/inference.js';
import { sleep } from '../deadline.js';
import { ZmeshError } from '../errors.js';
import type { PresenceEnd } from '../events/presence-watch.js';
import type { Logger } from '../log.js';
import type { RpcClient } from '../rpc/client.js';
import type { Candidate } from './choose-replica.js';
import { Fullness } from './fullness.js';

/** What callers of inference call on a replica. */
export type InferenceClient = RpcClient<typeof InferenceServiceService>;

/** An inference replica. */
export interface Replica extends Candidate {
  readonly client: InferenceClient;
  /** What its refusals tell. */
  readonly fullness: Fullness;
  inFlight: number;
  othersLoad: number;
  models: ReadonlyMap<string, string> | undefined;
  experts: ReadonlySet<string>;
  down: boolean;
}

/** The replicas that a service knows: those in its settings and those that announce themselves. */
export interface Replicas {
  all(): readonly Replica[];
  /** One announced itself or renewed that. */
  present(key: string, presence: InferencePresence): void;
  /**
   * One took its announcement back (`left`), or it ran out (`expired`). Then it is asked itself, since a cluster of NATS
   * without a leader renews nothing, and stays for as long as it answers.
   */
  gone(key: string, how: PresenceEnd): void;
  /** Notes that one does not answer: it is passed over until it does again. */
  lost(replica: Replica, error: ZmeshError): void;
  /** Asks a replica what it serves and notes the answer, or that there is none. Throws what the call throws. */
  ask(replica: Replica): Promise<readonly ServedModel[]>;
  /** Stops probing and closes every connection. */
  close(): Promise<void>;
}

/** What the replicas are made of. */
export interface ReplicasOptions {
  /** `host:port` of those that are always there. */
  readonly addresses: readonly string[];
  readonly connect: (address: string) => InferenceClient;
  readonly log: Logger;
  /** How often those are asked that do not answer or have not told what they serve, milliseconds. Default 500. */
  readonly probeMs?: number;
}

interface Entry extends Replica {
  /** True if it is in the settings. */
  readonly fixed: boolean;
  /** Its announcement, if it has one. */
  announced: { readonly key: string; readonly startedMs: number } | undefined;
  /** True from when its announcement ran out until it announces itself again. */
  expired: boolean;
}

/** How long a replica may take to say what it serves. */
const ASK_MS = 2000;
const PROBE_MS = 500;

/** Makes the table, with the fixed ones in it. */
export function createReplicas(options: ReplicasOptions): Replicas {
  const { addresses, connect, log, probeMs = PROBE_MS } = options;
  const table = new Map<string, Entry>();
  const enter = (address: string, fixed: boolean): Entry => {
    const entry: Entry = {
      address,
      fixed,
      client: connect(address),
      fullness: new Fullness(),
      inFlight: 0,
      othersLoad: 0,
      models: undefined,
      experts: new Set(),
      down: false,
      announced: undefined,
      expired: false,
    };
    table.set(address, entry);
    return entry;
  };
  for (const address of addresses) if (!table.has(address)) enter(address, true);

  const ask = async (replica: Replica): Promise<readonly ServedModel[]> => {
    try {
      const { models } = await replica.client.listServedModels({}, { timeoutMs: ASK_MS });
      if (replica.down) log.info({ inference: replica.address }, 'inference replica answers again');
      replica.down = false;
      replica.models = new Map(models.map(({ name, fingerprint }) => [name, fingerprint]));
      return models;
    } catch (thrown) {
      const error = ZmeshError.from(thrown);
      // One that is late works: a connection that leads nowhere any more is lost by gRPC's keep-alive.
      if (error.reason !== 'DEADLINE') lost(replica, error);
      throw error;
    }
  };
  const lost = (replica: Replica, error: ZmeshError): void => {
    if (!replica.down)
      log.warn({ inference: replica.address, reason: error.reason }, 'inference replica does not answer');
    replica.down = true;
    const entry = table.get(replica.address);
    if (entry?.expired) drop(entry);
  };
  const drop = (entry: Entry): void => {
    log.info({ inference: entry.address }, 'inference replica left');
    entry.announced = undefined;
    entry.expired = false;
    entry.othersLoad = 0;
    // One in the settings drains or is dead, but may come back at its address.
    entry.down = true;
    if (entry.fixed) return;
    table.delete(entry.address);
    entry.client.close();
  };
  const probing = new AbortController();
  const probed = probe(() => [...table.values()], { ask, everyMs: probeMs, signal: probing.signal });

  return {
    all: () => [...table.values()],
    ask,
    lost,
    present(key, presence) {
      const { address } = presence;
      const { seconds = 0n, nanos = 0 } = presence.startedAt ?? {};
      const startedMs = Number(seconds) * 1000 + nanos / 1e6;
      const known = table.get(address);
      const other = known?.announced;
      // A process that ended without a word leaves its announcement for some seconds; its successor is the one.
      if (other && other.key !== key && other.startedMs > startedMs) return;
      const entry = known ?? enter(address, false);
      if (other?.key !== key) log.info({ inference: address }, 'inference replica joined');
      entry.announced = { key, startedMs };
      entry.expired = false;
      entry.models = new Map(presence.models.map(({ name, fingerprint }) => [name, fingerprint]));
      entry.experts = new Set(presence.experts);
      const load = presence.models.reduce((sum, { waiting, running }) => sum + waiting + running, 0);
      // The announced load holds our own calls too.
      entry.othersLoad = Math.max(0, load - entry.inFlight);
    },
    gone(key, how) {
      const entry = [...table.values()].find(({ announced }) => announced?.key === key);
      if (!entry) return;
      if (how === 'left' || entry.down) {
        drop(entry);
        return;
      }
      log.warn({ inference: entry.address }, 'the announcement of an inference replica ran out; it is asked');
      entry.expired = true;
      void ask(entry).catch(() => {});
    },
    async close() {
      probing.abort();
      await probed;
      for (const { client } of table.values()) client.close();
    },
  };
}

/** Asks those that do not answer, have not told what they serve, or no longer announce themselves, again and again. */
async function probe(
  all: () => readonly Entry[],
  {
    ask,
    everyMs,
    signal,
  }: { readonly ask: Replicas['ask']; readonly everyMs: number; readonly signal: AbortSignal },
): Promise<void> {
  while (!signal.aborted) {
    await sleep(everyMs, signal).catch(() => {});
    if (signal.aborted) return;
    const due = all().filter(({ down, models, expired }) => down || expired || models === undefined);
    await Promise.all(due.map((replica) => ask(replica).catch(() => [])));
  }
}
