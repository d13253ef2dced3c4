import { createHash } from 'node:crypto';

/** What is known of a replica when one is chosen. */
export interface Candidate {
  /** `host:port`. */
  readonly address: string;
  /** Calls of this process that it is working on. */
  readonly inFlight: number;
  /** Requests of others that it had at its last announcement. */
  readonly othersLoad: number;
  /** Fingerprint by model; undefined = it has not told yet. */
  readonly models: ReadonlyMap<string, string> | undefined;
  /** Beginnings of the expert versions that it holds. */
  readonly experts: ReadonlySet<string>;
  /** True while it does not answer. */
  readonly down: boolean;
}

/** What a request wants of a replica. */
export interface Wanted {
  readonly model: string;
  /** The model's fingerprint; undefined = not known. */
  readonly fingerprint: string | undefined;
  /** Versions in the mixture, cut as in the announcements. */
  readonly experts: readonly string[];
  /** What requests with one prefix share, see affinityKey. */
  readonly affinity: string;
}

/** Requests that a replica has at work, as far as this process knows. */
export const outstanding = ({ inFlight, othersLoad }: Candidate): number => inFlight + othersLoad;

/**
 * Chooses a replica that holds the model: of those whose outstanding work is within `margin` of the least, the one that
 * lacks the fewest of the mixture's experts, then the one that the request's prefix belongs to (rendezvous hashing: the
 * same for every dispatcher, and only a lost replica's share moves). One that does not answer is a last resort.
 * Undefined if there is none at all.
 */
export function chooseReplica<C extends Candidate>(
  replicas: readonly C[],
  wanted: Wanted,
  margin: number,
): C | undefined {
  const holding = holders(replicas, wanted);
  const answering = holding.filter(({ down }) => !down);
  const pool = answering.length > 0 ? answering : holding;
  if (pool.length < 2) return pool[0];
  const least = Math.min(...pool.map(outstanding));
  const { affinity } = wanted;
  let best: { replica: C; lacking: number; weight: number } | undefined;
  for (const replica of pool) {
    if (outstanding(replica) > least + margin) continue;
    const lacking = wanted.experts.filter((version) => !replica.experts.has(version)).length;
    const weight = rendezvousWeight(replica.address, affinity);
    if (!best || lacking < best.lacking || (lacking === best.lacking && weight > best.weight))
      best = { replica, lacking, weight };
  }
  return best?.replica;
}

/**
 * Those with this very model; else those that have not told what they serve; else those with another model of that name:
 * they answer as what they are, and refuse another basis' experts.
 */
function holders<C extends Candidate>(replicas: readonly C[], { model, fingerprint }: Wanted): readonly C[] {
  const named = replicas.filter(({ models }) => models?.has(model));
  const exact = named.filter(({ models }) => fingerprint === undefined || models?.get(model) === fingerprint);
  if (exact.some(({ down }) => !down)) return exact;
  const silent = replicas.filter(({ models }) => models === undefined);
  return [exact, silent, named].find((some) => some.length > 0) ?? [];
}

/** Weight of a replica for a key: 48 bits of a hash over both. The highest one has the key. */
export function rendezvousWeight(address: string, key: string): number {
  return createHash('sha256').update(address).update('\0').update(key).digest().readUIntBE(0, 6);
}
