import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { poolRow } from '#services/inference/graph/paged-past.js';
import { KvPool } from '#services/inference/runtime/kv-pool.js';
import { modelConfig } from './model-config.js';

const config = modelConfig({ layers: 2, keyValueHeads: 3, headSize: 4 });
const PAGE_TOKENS = 4;

/** New keys and values whose every number says where it belongs. */
function numbered(rows: number, tokens: number) {
  const data: number[] = [];
  for (let plane = 0; plane < config.layers * 2; plane += 1)
    for (let row = 0; row < rows; row += 1)
      for (let head = 0; head < config.keyValueHeads; head += 1)
        for (let token = 0; token < tokens; token += 1)
          for (let i = 0; i < config.headSize; i += 1) data.push(label(plane, row, head, token, i));
  return { data: Float32Array.from(data), rows, tokens };
}

function label(plane: number, row: number, head: number, token: number, i: number): number {
  return 1 + i + 10 * token + 1000 * head + 10_000 * row + 100_000 * plane;
}

/** Reads a position as the graph does: by row of [rows, pageTokens, headSize]. */
function read(
  pool: KvPool,
  at: { page: number; slot: number; layer: number; kind: 0 | 1; head: number },
): number[] {
  const start = (poolRow(config, at) * PAGE_TOKENS + at.slot) * config.headSize;
  return [...pool.data.subarray(start, start + config.headSize)];
}

function everyHead(visit: (layer: number, kind: 0 | 1, head: number) => void): void {
  for (let layer = 0; layer < config.layers; layer += 1)
    for (const kind of [0, 1] as const)
      for (let head = 0; head < config.keyValueHeads; head += 1) visit(layer, kind, head);
}

describe('the KV pool', () => {
  it('stores a row across pages where the graph will look for it', () => {
    const pool = new KvPool(config, { pageCount: 5, pageTokens: PAGE_TOKENS });
    const pages = Int32Array.of(4, 1, 3);
    pool.store(numbered(2, 7), { row: 1, count: 6, position: 3, pages });
    everyHead((layer, kind, head) => {
      for (let token = 0; token < 6; token += 1) {
        const [page, slot] = [pages[(3 + token) >> 2]!, (3 + token) & 3];
        const expected = [0, 1, 2, 3].map((i) => label(layer * 2 + kind, 1, head, token, i));
        assert.deepEqual(read(pool, { page, slot, layer, kind, head }), expected);
      }
    });
  });

  it('keeps what is not its own: no page is touched but the given ones, and the zero page stays zero', () => {
    const pool = new KvPool(config, { pageCount: 3, pageTokens: PAGE_TOKENS });
    pool.store(numbered(1, 4), { row: 0, count: 4, position: 0, pages: Int32Array.of(1) });
    const pageFloats = pool.data.length / 4;
    for (const page of [0, 2, pool.zeroPage]) {
      assert.ok(pool.data.subarray(page * pageFloats, (page + 1) * pageFloats).every((value) => value === 0));
    }
  });

  it('clears a page that begins anew, and leaves one that goes on', () => {
    const pool = new KvPool(config, { pageCount: 2, pageTokens: PAGE_TOKENS });
    pool.data.fill(Number.NaN, 0, pool.data.length / 3);
    const at = { page: 0, layer: 0, kind: 0, head: 0 } as const;
    pool.store(numbered(1, 1), { row: 0, count: 1, position: 0, pages: Int32Array.of(0) });
    assert.deepEqual(read(pool, { ...at, slot: 3 }), [0, 0, 0, 0]);
    pool.store(numbered(1, 1), { row: 0, count: 1, position: 1, pages: Int32Array.of(0) });
    assert.deepEqual(read(pool, { ...at, slot: 0 }), [1, 2, 3, 4]);
  });

  it('copies the leading positions of a page and clears the rest', () => {
    const pool = new KvPool(config, { pageCount: 2, pageTokens: PAGE_TOKENS });
    pool.data.fill(5, pool.data.length / 3, (2 * pool.data.length) / 3);
    pool.store(numbered(1, 4), { row: 0, count: 4, position: 0, pages: Int32Array.of(0) });
    pool.copyPage(0, 1, 3);
    everyHead((layer, kind, head) => {
      const at = { page: 1, layer, kind, head };
      assert.deepEqual(read(pool, { ...at, slot: 2 }), read(pool, { ...at, page: 0, slot: 2 }));
      assert.deepEqual(read(pool, { ...at, slot: 3 }), [0, 0, 0, 0]);
    });
  });

  it('refuses a position without a page and a page that it does not have', () => {
    const pool = new KvPool(config, { pageCount: 2, pageTokens: PAGE_TOKENS });
    const target = { row: 0, count: 5, position: 0 };
    assert.throws(
      () => pool.store(numbered(1, 5), { ...target, pages: Int32Array.of(0) }),
      /position 4 has a page/,
    );
    assert.throws(() => pool.copyPage(0, 2, 1), /page 2 is one of 2/);
  });
});
