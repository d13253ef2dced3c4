import type { PageAllocator } from './pages.js';

/** The pages of one sequence, oldest first. */
export class PageList {
  readonly #allocator: PageAllocator;
  readonly #pages: Int32Array;
  #count = 0;

  constructor(allocator: PageAllocator, capacity: number) {
    this.#allocator = allocator;
    this.#pages = new Int32Array(capacity);
  }

  get count(): number {
    return this.#count;
  }

  /** The pages; a view that stays valid while none is added. */
  get view(): Int32Array {
    return this.#pages.subarray(0, this.#count);
  }

  page(index: number): number {
    return this.#pages[index]!;
  }

  /** Allocates until there are `count` pages. */
  grow(count: number): void {
    while (this.#count < count) this.#pages[this.#count++] = this.#allocator.allocate();
  }

  /** Adds a page that another list holds. */
  addShared(page: number): void {
    this.#allocator.share(page);
    this.#pages[this.#count++] = page;
  }

  /** Adds a page that is held for this list already. */
  addHeld(page: number): void {
    this.#pages[this.#count++] = page;
  }

  /** Gives all pages back. */
  release(): void {
    for (const page of this.view) this.#allocator.release(page);
    this.#count = 0;
  }
}
