import assert from 'node:assert/strict';

/**
 * The page numbers of a runtime's KV storage: who may still take how many (reservations), who holds which (references),
 * and which the prefix cache keeps. A kept page that nobody holds is idle: still readable, free for the taking.
 *
 * A request reserves its worst case before it starts, so an allocation that follows never fails and a running request
 * always finishes. Pages shared by several answers count once.
 */
export class PageAllocator {
  readonly pageCount: number;
  readonly #free: number[];
  readonly #references: Int32Array;
  readonly #kept: Uint8Array;
  #idle = 0;
  #reserved = 0;
  /** Makes an idle page free; false if there is none. */
  #reclaim: () => boolean = () => false;

  constructor(pageCount: number) {
    this.pageCount = pageCount;
    this.#references = new Int32Array(pageCount);
    this.#kept = new Uint8Array(pageCount);
    this.#free = Array.from({ length: pageCount }, (_, i) => pageCount - 1 - i);
  }

  /** Pages that nobody holds, kept ones included. */
  get freeCount(): number {
    return this.#free.length + this.#idle;
  }

  /** Kept pages that nobody holds. */
  get idleCount(): number {
    return this.#idle;
  }

  /** Pages promised to running requests, those they hold already included. */
  get reservedCount(): number {
    return this.#reserved;
  }

  /** Promises `pages`; false if that is more than is left to promise. */
  reserve(pages: number): boolean {
    if (this.#reserved + pages > this.pageCount) return false;
    this.#reserved += pages;
    return true;
  }

  /** Takes a promise back, after the pages were released. */
  unreserve(pages: number): void {
    this.#reserved -= pages;
    assert(this.#reserved >= 0, 'more pages were unreserved than reserved');
  }

  /** A page with one reference. The caller holds a reservation for it. */
  allocate(): number {
    if (this.#free.length === 0) this.#reclaim();
    const page = this.#free.pop();
    assert(page !== undefined, 'a reservation promised a page that is not there');
    this.#references[page] = 1;
    return page;
  }

  /** One more reference to a page that is held or kept. */
  share(page: number): void {
    const idle = this.isIdle(page);
    assert(idle || this.#references[page]! > 0, `page ${page} is shared but nobody holds it`);
    if (idle) this.#idle--;
    this.#references[page]!++;
  }

  /** One reference less; the last one frees the page, or leaves it idle where it is kept. */
  release(page: number): void {
    assert(this.#references[page]! > 0, `page ${page} is released but nobody holds it`);
    if (--this.#references[page]! > 0) return;
    if (this.#kept[page]) this.#idle++;
    else this.#free.push(page);
  }

  /** Who to ask for an idle page when no other is free. */
  reclaimWith(reclaim: () => boolean): void {
    this.#reclaim = reclaim;
  }

  /** True for a page that the prefix cache keeps. */
  isKept(page: number): boolean {
    return this.#kept[page] === 1;
  }

  /** True for a kept page that nobody holds. */
  isIdle(page: number): boolean {
    return this.isKept(page) && this.#references[page] === 0;
  }

  /** Keeps a page beyond its last reference, or stops doing so. */
  setKept(page: number, kept: boolean): void {
    assert.notEqual(this.isKept(page), kept, `page ${page} is ${kept ? 'kept twice' : 'not kept'}`);
    const idle = this.isIdle(page);
    assert(kept ? this.#references[page]! > 0 : true, `page ${page} is kept but nobody holds it`);
    this.#kept[page] = kept ? 1 : 0;
    if (!idle) return;
    this.#idle--;
    this.#free.push(page);
  }

  /** Asserts that every page is free, idle or held, none twice, and that no more are held than promised. */
  checkIntegrity(): void {
    const free = new Set(this.#free);
    assert.equal(free.size, this.#free.length, 'a page is free twice');
    let idle = 0;
    for (let page = 0; page < this.pageCount; page++) {
      const used = this.#references[page]! > 0 || this.isKept(page);
      assert.notEqual(
        used,
        free.has(page),
        `page ${page} is ${used ? 'used and free' : 'neither used nor free'}`,
      );
      if (this.isIdle(page)) idle++;
    }
    assert.equal(idle, this.#idle, 'idle pages do not add up');
    assert(this.pageCount - this.freeCount <= this.#reserved, 'more pages are held than reserved');
  }
}
