import assert from 'node:assert/strict';

/**
 * The page numbers of a runtime's KV storage: who may still take how many (reservations), who holds which (references).
 *
 * A request reserves its worst case before it starts, so an allocation that follows never fails and a running request
 * always finishes. Pages shared by several answers count once.
 */
export class PageAllocator {
  readonly pageCount: number;
  readonly #free: number[];
  readonly #references: Int32Array;
  #reserved = 0;

  constructor(pageCount: number) {
    this.pageCount = pageCount;
    this.#references = new Int32Array(pageCount);
    this.#free = Array.from({ length: pageCount }, (_, i) => pageCount - 1 - i);
  }

  /** Pages that nobody holds. */
  get freeCount(): number {
    return this.#free.length;
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
    const page = this.#free.pop();
    assert(page !== undefined, 'a reservation promised a page that is not there');
    this.#references[page] = 1;
    return page;
  }

  /** One more reference to a page that is held. */
  share(page: number): void {
    assert(this.#references[page]! > 0, `page ${page} is shared but nobody holds it`);
    this.#references[page]!++;
  }

  /** One reference less; the last one frees the page. */
  release(page: number): void {
    assert(this.#references[page]! > 0, `page ${page} is released but nobody holds it`);
    if (--this.#references[page]! === 0) this.#free.push(page);
  }

  /** Asserts that every page is either free or held, none twice, and that no more are held than promised. */
  checkIntegrity(): void {
    const free = new Set(this.#free);
    assert.equal(free.size, this.#free.length, 'a page is free twice');
    for (let page = 0; page < this.pageCount; page++) {
      const held = this.#references[page]! > 0;
      assert.notEqual(
        held,
        free.has(page),
        `page ${page} is ${held ? 'held and free' : 'neither held nor free'}`,
      );
    }
    assert(this.pageCount - free.size <= this.#reserved, 'more pages are held than reserved');
  }
}
