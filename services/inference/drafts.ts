import { ZmeshError } from '#shared/errors.js';
import type { Expert } from '#shared/svf/model.js';

/** How many drafts are kept, and how long. */
export interface DraftLimits {
  /** Most drafts at a time. */
  readonly max: number;
  /** Milliseconds that one stays after its last use. */
  readonly leaseMs: number;
}

interface Draft {
  readonly expert: Expert;
  usedMs: number;
}

/**
 * Multipliers that no registry knows, by hash: what trainers sample and differentiate under. They are only ever found by the
 * hash of their content, so one that was dropped can be missed but never mistaken.
 */
export class DraftStore {
  readonly limits: DraftLimits;
  readonly #now: () => number;
  /** In the order of last use. */
  readonly #drafts = new Map<string, Draft>();

  /** @param now milliseconds, monotonic. */
  constructor(limits: DraftLimits, now: () => number = () => performance.now()) {
    this.limits = limits;
    this.#now = now;
  }

  /** Number of drafts that are kept. */
  get count(): number {
    return this.#drafts.size;
  }

  /** Keeps a draft, or renews it; those that were not used for longest give way. */
  put(hash: string, expert: Expert): void {
    this.#dropExpired();
    this.#drafts.delete(hash);
    this.#drafts.set(hash, { expert, usedMs: this.#now() });
    for (const oldest of this.#drafts.keys()) {
      if (this.#drafts.size <= this.limits.max) return;
      this.#drafts.delete(oldest);
    }
  }

  /** A draft; this is a use of it. Throws UNKNOWN_EXPERT: its owner then loads it again. */
  get(hash: string): Expert {
    this.#dropExpired();
    const draft = this.#drafts.get(hash);
    if (!draft) {
      const message = `draft@${hash} is not loaded here (any more); send its multipliers again with LoadMultipliers`;
      throw new ZmeshError('UNKNOWN_EXPERT', message, { names: { expert: `draft@${hash}` } });
    }
    draft.usedMs = this.#now();
    this.#drafts.delete(hash);
    this.#drafts.set(hash, draft);
    return draft.expert;
  }

  #dropExpired(): void {
    const oldestMs = this.#now() - this.limits.leaseMs;
    for (const [hash, { usedMs }] of this.#drafts) {
      if (usedMs >= oldestMs) return;
      this.#drafts.delete(hash);
    }
  }
}
