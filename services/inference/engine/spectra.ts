import assert from 'node:assert/strict';
import { ZmeshError } from '#shared/errors.js';
import type { NormalisationName } from '#shared/svf/model.js';
import type { ToEngine } from './protocol.js';

/** A resident spectrum that stays until it is released. */
export interface SpectrumLease {
  /** Hash of the mixture. */
  readonly mixture: string;
  /** What its experts share; null = the base. */
  readonly normalisation: NormalisationName | null;
  /** Once. */
  release(): void;
}

interface Entry {
  readonly normalisation: NormalisationName | null;
  readonly bytes: number;
  leases: number;
}

/**
 * Knows which composed spectra the worker holds: each is sent once, kept while leased, and dropped least recently used
 * first when their bytes pass the limit. Lives beside the engine's proxy; the numbers themselves are in the runtime.
 */
export class SpectrumCache {
  readonly #maxBytes: number;
  readonly #post: (message: ToEngine) => void;
  /** In the order of last use. */
  readonly #entries = new Map<string, Entry>();
  #bytes = 0;
  #hits = 0;
  #added = 0;

  constructor(maxBytes: number, post: (message: ToEngine) => void) {
    this.#maxBytes = maxBytes;
    this.#post = post;
  }

  /** Bytes that are resident. */
  get bytes(): number {
    return this.#bytes;
  }

  /** How many leases found their spectrum resident, and how many spectra were added, since the start. */
  get use(): { readonly hits: number; readonly added: number } {
    return { hits: this.#hits, added: this.#added };
  }

  /** Number of spectra that are resident. */
  get count(): number {
    return this.#entries.size;
  }

  /** A lease of a resident spectrum; null if it is not. */
  lease(mixture: string): SpectrumLease | null {
    const lease = this.#lease(mixture);
    if (lease) this.#hits++;
    return lease;
  }

  #lease(mixture: string): SpectrumLease | null {
    const entry = this.#entries.get(mixture);
    if (!entry) return null;
    this.#entries.delete(mixture);
    this.#entries.set(mixture, entry);
    entry.leases++;
    let released = false;
    return {
      mixture,
      normalisation: entry.normalisation,
      release() {
        assert(!released, 'a spectrum is released twice');
        released = true;
        entry.leases--;
      },
    };
  }

  /**
   * Makes a spectrum resident and leases it; takes its buffer over. Throws QUEUE_FULL if those in use leave no room for it.
   */
  add(mixture: string, spectrum: Float32Array, normalisation: NormalisationName | null): SpectrumLease {
    const resident = this.lease(mixture);
    if (resident) return resident;
    this.#makeRoom(spectrum.byteLength);
    this.#entries.set(mixture, { normalisation, bytes: spectrum.byteLength, leases: 0 });
    this.#bytes += spectrum.byteLength;
    this.#added++;
    this.#post({ type: 'addSpectrum', mixture, spectrum });
    return this.#lease(mixture)!;
  }

  #makeRoom(bytes: number): void {
    for (const [mixture, entry] of this.#entries) {
      if (this.#bytes + bytes <= this.#maxBytes) return;
      if (entry.leases > 0) continue;
      this.#entries.delete(mixture);
      this.#bytes -= entry.bytes;
      this.#post({ type: 'removeSpectrum', mixture });
    }
    if (this.#bytes + bytes <= this.#maxBytes) return;
    throw new ZmeshError(
      'QUEUE_FULL',
      `the mixtures in use fill ${this.#bytes} of ${this.#maxBytes} bytes; another one of ${bytes} does not fit`,
      { limit: this.#maxBytes, value: this.#bytes + bytes, retryAfterMs: 1000 },
    );
  }
}
