import type { ModelConfig } from '../model/prepared.js';
import type { GraphBuilder, Value } from './builder.js';
import { add, gather, multiply, reshape, shapeOf } from './ops.js';

/** Keys and values of the past, read from pages. */
export interface PagedPast {
  /** int64 [1]: positions of past a row, pages · pageTokens. */
  readonly length: Value;
  /** Keys and values of a layer, [batch, keyValueHeads, past, headSize] each. */
  ofLayer(layer: number): { readonly keys: Value; readonly values: Value };
}

/** Row of a page's keys (kind 0) or values (kind 1) of one layer and head in the pool. */
export function poolRow(
  config: Pick<ModelConfig, 'layers' | 'keyValueHeads'>,
  at: { page: number; layer: number; kind: 0 | 1; head: number },
): number {
  return ((at.page * config.layers + at.layer) * 2 + at.kind) * config.keyValueHeads + at.head;
}

/**
 * Adds the inputs `kv`, the whole pool as [pages · layers · 2 · keyValueHeads, pageTokens, headSize], and `page_table`
 * [batch, pages]. A layer gathers the rows of its pages, so the pool itself is never copied.
 */
export function pagedPast(g: GraphBuilder, sizes: { config: ModelConfig; pageTokens: number }): PagedPast {
  const { config, pageTokens } = sizes;
  const { keyValueHeads, headSize } = config;
  const pool = g.input('kv', 'float32', ['kv_rows', pageTokens, headSize]);
  const table = g.input('page_table', 'int32', ['batch', 'pages']);
  const rowsPerPage = poolRow(config, { page: 1, layer: 0, kind: 0, head: 0 });
  const firstRows = reshape(g, multiply(g, table, g.indices([rowsPerPage], [1])), ['batch', 1, 'pages']);
  const heads = Array.from({ length: keyValueHeads }, (_, head) => head);
  const headRows = add(g, firstRows, g.indices(heads, [1, keyValueHeads, 1]));
  const read = (layer: number, kind: 0 | 1) => {
    const offset = g.indices([poolRow(config, { page: 0, layer, kind, head: 0 })], [1]);
    const rows = gather(g, pool, add(g, headRows, offset));
    return reshape(g, rows, ['batch', keyValueHeads, 'past', headSize]);
  };
  return {
    length: multiply(g, shapeOf(g, table, 1, 2), g.integers([pageTokens])),
    ofLayer: (layer) => ({ keys: read(layer, 0), values: read(layer, 1) }),
  };
}
