import type { ExpertSpec } from '#proto/zmesh/v1/expert_registry.js';
import { ZmeshError } from '#shared/errors.js';
import type { Expert } from '#shared/svf/model.js';
import { normalisationName } from '#shared/svf/normalisation.js';
import { readVectors } from '#shared/svf/vectors.js';
import { expertVersion } from '#shared/svf/version.js';

/** An exact version of an expert. */
export interface ExpertReference {
  readonly model: string;
  readonly expert: string;
  /** 64 hex digits. */
  readonly version: string;
}

/** An expert as its source has it. */
export interface ExpertContent {
  readonly spec: ExpertSpec;
  readonly retired: boolean;
  /** Safetensors. */
  readonly vectors: Uint8Array;
}

/** Where experts come from. */
export interface ExpertSource {
  /** Throws UNKNOWN_EXPERT, UNKNOWN_VERSION, REGISTRY_UNAVAILABLE, … */
  fetch(reference: ExpertReference): Promise<ExpertContent>;
}

/** An expert that is at hand. */
export interface ResidentExpert {
  readonly spec: ExpertSpec;
  readonly expert: Expert;
  readonly bytes: number;
}

/**
 * Experts by version, fetched once and kept under a byte limit, least recently used dropped first, pinned ones never. A version is the hash
 * of what it holds, which is checked here, so what is resident is right for ever and needs no registry.
 */
export class ExpertCache {
  readonly #source: ExpertSource;
  readonly #maxBytes: number;
  /** In the order of last use. */
  readonly #resident = new Map<string, ResidentExpert>();
  readonly #inFlight = new Map<string, Promise<ResidentExpert>>();
  readonly #retired = new Set<string>();
  readonly #pinned = new Set<string>();
  #bytes = 0;
  #hits = 0;
  #fetches = 0;
  #fetchedBytes = 0;

  constructor(source: ExpertSource, maxBytes: number) {
    this.#source = source;
    this.#maxBytes = maxBytes;
  }

  /** Bytes of the resident experts' vectors. */
  get bytes(): number {
    return this.#bytes;
  }

  /** How often an expert was at hand, how often one was fetched, and the bytes of vectors that came, since the start. */
  get use(): { readonly hits: number; readonly fetches: number; readonly fetchedBytes: number } {
    return { hits: this.#hits, fetches: this.#fetches, fetchedBytes: this.#fetchedBytes };
  }

  /** The resident versions, the last used first. */
  get versions(): readonly string[] {
    return [...this.#resident.keys()].reverse();
  }

  /** True if the version is at hand. */
  has(version: string): boolean {
    return this.#resident.has(version);
  }

  /**
   * The expert; `fetched` tells whether it had to come from the source. Several callers share one fetch, which goes on
   * when one of them leaves. Throws what the source throws, CORRUPT if the content has another hash, EXPERT_RETIRED,
   * UNKNOWN_VERSION if the version is another expert's, TOO_LARGE if it exceeds the cache, or the signal's reason.
   */
  async get(
    reference: ExpertReference,
    signal: AbortSignal,
  ): Promise<{ readonly resident: ResidentExpert; readonly fetched: boolean }> {
    this.checkServed(reference);
    const at = this.#resident.get(reference.version);
    if (at) {
      this.#hits++;
      this.#resident.delete(reference.version);
      this.#resident.set(reference.version, at);
      return { resident: checkNamed(at, reference), fetched: false };
    }
    const resident = await orAborted(this.#fetch(reference), signal);
    return { resident: checkNamed(resident, reference), fetched: true };
  }

  /**
   * Gets the expert and keeps it from being dropped until `unpin`; `instead` is unpinned in the same step. Throws TOO_LARGE,
   * and changes nothing, if the pinned experts would exceed the cache; else as `get` does.
   */
  async pin(reference: ExpertReference, signal: AbortSignal, instead?: string): Promise<void> {
    const { resident } = await this.get(reference, signal);
    const { model, expert, version } = reference;
    const others = [...this.#pinned].filter((one) => one !== version && one !== instead);
    const bytes = others.reduce((sum, one) => sum + (this.#resident.get(one)?.bytes ?? 0), resident.bytes);
    if (bytes > this.#maxBytes) {
      const message = `${model}/${expert}@${version.slice(0, 12)} cannot be pinned: the pinned experts would take ${bytes} bytes, the cache holds ${this.#maxBytes}`;
      throw new ZmeshError('TOO_LARGE', message, { limit: this.#maxBytes, value: bytes });
    }
    if (instead !== undefined) this.#pinned.delete(instead);
    this.#pinned.add(version);
    // Others may have filled the room while it was fetched, or `instead` did.
    if (!this.#resident.has(version)) this.#keep(version, resident);
  }

  /** Lets a pinned version be dropped as others are. */
  unpin(version: string): void {
    this.#pinned.delete(version);
  }

  /** Throws EXPERT_RETIRED if the version is known to be retired. */
  checkServed(reference: ExpertReference): void {
    if (!this.#retired.has(reference.version)) return;
    const { model, expert, version } = reference;
    throw new ZmeshError('EXPERT_RETIRED', `${model}/${expert}@${version} was retired`, {
      names: { model, expert, version },
    });
  }

  /** Notes that a version was retired; it is not served from here on. */
  retire(version: string): void {
    this.#retired.add(version);
    this.#pinned.delete(version);
    const resident = this.#resident.get(version);
    if (!resident) return;
    this.#resident.delete(version);
    this.#bytes -= resident.bytes;
  }

  #fetch(reference: ExpertReference): Promise<ResidentExpert> {
    const { version } = reference;
    const running = this.#inFlight.get(version);
    if (running) return running;
    const fetching = this.#load(reference).finally(() => this.#inFlight.delete(version));
    this.#inFlight.set(version, fetching);
    return fetching;
  }

  async #load(reference: ExpertReference): Promise<ResidentExpert> {
    const { spec, vectors, retired } = await this.#source.fetch(reference);
    this.#fetches++;
    this.#fetchedBytes += vectors.byteLength;
    if (retired) this.retire(reference.version);
    this.checkServed(reference);
    const multipliers = readVectors(vectors);
    const version = expertVersion(spec, multipliers);
    if (version !== reference.version) {
      const message = `the registry's content of ${spec.model}/${spec.name}@${reference.version} has the hash ${version}`;
      throw new ZmeshError('CORRUPT', message, { limit: reference.version, value: version });
    }
    let bytes = 0;
    for (const vector of multipliers.values()) bytes += vector.byteLength;
    const normalisation = normalisationName(spec.normalisation);
    const resident = { spec, expert: { normalisation, multipliers }, bytes };
    this.#keep(version, resident);
    return resident;
  }

  #keep(version: string, resident: ResidentExpert): void {
    if (resident.bytes > this.#maxBytes) {
      const message = `expert ${resident.spec.name} has ${resident.bytes} bytes; the cache holds ${this.#maxBytes}`;
      throw new ZmeshError('TOO_LARGE', message, { limit: this.#maxBytes, value: resident.bytes });
    }
    for (const [oldest, { bytes }] of this.#resident) {
      if (this.#bytes + resident.bytes <= this.#maxBytes) break;
      if (this.#pinned.has(oldest)) continue;
      this.#resident.delete(oldest);
      this.#bytes -= bytes;
    }
    // Beside pinned experts there may be no room: then it serves its request and is not kept.
    if (this.#bytes + resident.bytes > this.#maxBytes) return;
    this.#resident.set(version, resident);
    this.#bytes += resident.bytes;
  }
}

/** A version is a hash over the name too, so a wrong name with a right version is another expert's version. */
function checkNamed(resident: ResidentExpert, { model, expert, version }: ExpertReference): ResidentExpert {
  if (resident.spec.name === expert && resident.spec.model === model) return resident;
  throw new ZmeshError(
    'UNKNOWN_VERSION',
    `${version} is a version of ${resident.spec.model}/${resident.spec.name}, not of ${model}/${expert}`,
    { names: { model, expert, version } },
  );
}

function orAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = (): void => reject(signal.reason);
    if (signal.aborted) abort();
    signal.addEventListener('abort', abort, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort));
  });
}
