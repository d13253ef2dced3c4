import assert from 'node:assert/strict';
import type { ModelConfig } from '../model/prepared.js';

/** New keys and values as the graph returns them: [layers, 2, rows, keyValueHeads, tokens, headSize]. */
export interface NewKeysAndValues {
  readonly data: Float32Array;
  readonly rows: number;
  /** Tokens a row, padded. */
  readonly tokens: number;
}

/** Which of them are kept, and where. */
export interface StoreTarget {
  /** The row of the step. */
  readonly row: number;
  /** Leading tokens to keep. */
  readonly count: number;
  /** The position of the first. */
  readonly position: number;
  /** The sequence's pages, oldest first. */
  readonly pages: Int32Array;
}

/**
 * Storage for keys and values: one plain buffer, page after page; within a page [layers, 2, keyValueHeads, pageTokens,
 * headSize]. One page more than asked for stands at the end and stays zero: page tables are padded with it.
 *
 * A page is cleared when its first position is stored, so what a row reads beyond its own past is zero and never
 * another sequence's leftovers: hidden scores keep those out of sums, but 0 · NaN is NaN.
 */
export class KvPool {
  /** The whole pool, for the graph's `kv` input. */
  readonly data: Float32Array;
  readonly pageCount: number;
  readonly pageTokens: number;
  /** Keys and values of every layer. */
  readonly #planes: number;
  readonly #heads: number;
  readonly #headSize: number;

  constructor(config: ModelConfig, size: { readonly pageCount: number; readonly pageTokens: number }) {
    this.pageCount = size.pageCount;
    this.pageTokens = size.pageTokens;
    this.#planes = config.layers * 2;
    this.#heads = config.keyValueHeads;
    this.#headSize = config.headSize;
    this.data = new Float32Array((size.pageCount + 1) * this.#pageFloats);
  }

  /** Number of the page that is always zero. */
  get zeroPage(): number {
    return this.pageCount;
  }

  /** Bytes of one page. */
  static pageBytes(config: ModelConfig, pageTokens: number): number {
    return (
      config.layers * 2 * config.keyValueHeads * pageTokens * config.headSize * Float32Array.BYTES_PER_ELEMENT
    );
  }

  /** Copies a row's leading new keys and values to its pages. */
  store(source: NewKeysAndValues, target: StoreTarget): void {
    let done = 0;
    while (done < target.count) {
      const position = target.position + done;
      const slot = position % this.pageTokens;
      const page = target.pages[Math.floor(position / this.pageTokens)];
      assert.ok(page !== undefined, `position ${position} has a page`);
      const count = Math.min(this.pageTokens - slot, target.count - done);
      if (slot === 0) this.#clear(page);
      this.#storeRun(source, { row: target.row, token: done, page, slot, count });
      done += count;
    }
  }

  /** Copies the first `tokens` positions of a page to another; the rest of that one becomes zero. */
  copyPage(from: number, to: number, tokens: number): void {
    this.#clear(to);
    for (let block = 0; block < this.#planes * this.#heads; block += 1) {
      const start = from * this.#pageFloats + block * this.#headFloats;
      const target = to * this.#pageFloats + block * this.#headFloats;
      this.data.copyWithin(target, start, start + tokens * this.#headSize);
    }
  }

  get #pageFloats(): number {
    return this.#planes * this.#heads * this.#headFloats;
  }

  /** Floats of one head's keys or values in a page. */
  get #headFloats(): number {
    return this.pageTokens * this.#headSize;
  }

  #clear(page: number): void {
    assert.ok(page >= 0 && page < this.pageCount, `page ${page} is one of ${this.pageCount}`);
    this.data.fill(0, page * this.#pageFloats, (page + 1) * this.#pageFloats);
  }

  /** Consecutive tokens into one page: per layer, kind and head one run of count · headSize numbers. */
  #storeRun(
    source: NewKeysAndValues,
    run: { row: number; token: number; page: number; slot: number; count: number },
  ): void {
    const length = run.count * this.#headSize;
    let to = run.page * this.#pageFloats + run.slot * this.#headSize;
    for (let plane = 0; plane < this.#planes; plane += 1) {
      for (let head = 0; head < this.#heads; head += 1) {
        const sourceHead = (plane * source.rows + run.row) * this.#heads + head;
        const from = (sourceHead * source.tokens + run.token) * this.#headSize;
        copyRun(source.data, from, { target: this.data, to, length });
        to += this.#headFloats;
      }
    }
  }
}

/** Below this, a plain loop is faster than a call of `set`. */
const SHORT_RUN = 96;

function copyRun(
  source: Float32Array,
  from: number,
  copy: { readonly target: Float32Array; readonly to: number; readonly length: number },
): void {
  const { target, to, length } = copy;
  if (length > SHORT_RUN) target.set(source.subarray(from, from + length), to);
  else for (let index = 0; index < length; index += 1) target[to + index] = source[from + index]!;
}
