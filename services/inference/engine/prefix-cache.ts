import type { PageAllocator } from './pages.js';

interface Node {
  readonly page: number;
  readonly children: Map<string, Node>;
  /** Takes the node out of its parent. */
  readonly detach: () => void;
}

/** Sizes of a prefix cache. */
export interface PrefixCacheOptions {
  /** Most pages it keeps; 0 = it keeps none. */
  readonly pagesMax: number;
  readonly pageTokens: number;
}

/**
 * Keys and values of prompts and answers that may be asked for again, in whole pages. A tree for each mixture: its edges
 * are the pages' token ids themselves, its root the content hash of the mixture. A page is found only under the very
 * tokens and the very experts that it was computed from, so a stale hit is impossible, whatever an alias points to.
 *
 * The cache holds no promise on pages: those that nobody uses are given back, least recently used first, when a running
 * request needs one.
 */
export class PrefixCache {
  readonly #allocator: PageAllocator;
  readonly #options: PrefixCacheOptions;
  readonly #roots = new Map<string, Map<string, Node>>();
  /** In the order of last use; a parent is always younger than its children. */
  readonly #nodes = new Set<Node>();

  constructor(allocator: PageAllocator, options: PrefixCacheOptions) {
    this.#allocator = allocator;
    this.#options = options;
    allocator.reclaimWith(() => this.#evictIdle());
  }

  /** True if it keeps anything at all. */
  get enabled(): boolean {
    return this.#options.pagesMax > 0;
  }

  /** Pages that are kept. */
  get count(): number {
    return this.#nodes.size;
  }

  /** The pages of the longest kept prefix of `tokens`, at most `pagesMax`, each with a reference for the caller. */
  take(mixture: string, tokens: Int32Array, pagesMax: number): readonly number[] {
    const path: Node[] = [];
    let children = this.#roots.get(mixture);
    while (children && path.length < pagesMax) {
      const node = children.get(this.#key(tokens, path.length));
      if (!node) break;
      path.push(node);
      children = node.children;
    }
    for (const node of path) this.#allocator.share(node.page);
    this.#touch(path);
    return path.map((node) => node.page);
  }

  /** Keeps the first `count` pages of a sequence, which the caller holds and which are complete. */
  keep(mixture: string, tokens: Int32Array, pages: Int32Array, count: number): void {
    if (!this.enabled || count === 0) return;
    const root = this.#roots.get(mixture) ?? new Map<string, Node>();
    let children = root;
    const path: Node[] = [];
    for (let index = 0; index < count; index++) {
      const key = this.#key(tokens, index);
      const node: Node | null =
        children.get(key) ?? this.#add(children, key, { page: pages[index]!, path, mixture });
      if (!node) break;
      path.push(node);
      children = node.children;
    }
    this.#touch(path);
    if (root.size > 0) this.#roots.set(mixture, root);
  }

  #add(
    siblings: Map<string, Node>,
    key: string,
    {
      page,
      path,
      mixture,
    }: { readonly page: number; readonly path: readonly Node[]; readonly mixture: string },
  ): Node | null {
    if (this.#nodes.size >= this.#options.pagesMax && !this.#evictIdle(path)) return null;
    // The page may be kept already, under a node of its own that this path does not pass.
    if (this.#allocator.isKept(page)) return null;
    const detach = (): void => {
      siblings.delete(key);
      if (this.#roots.get(mixture)?.size === 0) this.#roots.delete(mixture);
    };
    const node: Node = { page, children: new Map(), detach };
    siblings.set(key, node);
    this.#nodes.add(node);
    this.#allocator.setKept(page, true);
    return node;
  }

  /** Deepest first, so that a parent is younger than its children and leaves go first. */
  #touch(path: readonly Node[]): void {
    for (const node of [...path].reverse()) {
      if (this.#nodes.delete(node)) this.#nodes.add(node);
    }
  }

  /** Gives the page back that was not used for the longest time, and those that follow it; never one of `spared`. */
  #evictIdle(spared: readonly Node[] = []): boolean {
    for (const node of this.#nodes) {
      if (!this.#allocator.isIdle(node.page) || spared.includes(node)) continue;
      node.detach();
      this.#forget(node);
      return true;
    }
    return false;
  }

  #forget(node: Node): void {
    this.#nodes.delete(node);
    this.#allocator.setKept(node.page, false);
    for (const child of node.children.values()) this.#forget(child);
    node.children.clear();
  }

  #key(tokens: Int32Array, page: number): string {
    const { pageTokens } = this.#options;
    return tokens.subarray(page * pageTokens, (page + 1) * pageTokens).join();
  }
}
