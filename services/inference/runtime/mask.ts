import type { StepRow } from './runtime.js';

/**
 * What is added to the score of a key that may not be seen. Large enough to vanish in any softmax, and finite, so that
 * a row that sees nothing (padding) stays free of NaN.
 */
export const HIDDEN = -1e30;

/** What a mask needs to know of a row. */
export type MaskRow = Pick<StepRow, 'tokens' | 'positions' | 'branches' | 'pastLength'>;

/** Sizes of a mask. */
export interface MaskShape {
  /** New tokens a row, padded. */
  readonly tokens: number;
  /** Positions of past a row, padded. */
  readonly past: number;
  /** Tokens a query can see, itself included; null = all. */
  readonly slidingWindow: number | null;
}

/**
 * Fills `mask`, [rows, tokens, past + tokens], with 0 where a token sees a key and HIDDEN elsewhere. A token sees the
 * valid past, itself, and new tokens before it: all of them, or those that its row's `branches` allow; within the
 * sliding window by position, as Hugging Face counts it (key > query − window). Padding sees nothing.
 */
export function fillMask(mask: Float32Array, rows: readonly MaskRow[], shape: MaskShape): void {
  const width = shape.past + shape.tokens;
  mask.fill(HIDDEN);
  rows.forEach((row, index) => {
    for (let token = 0; token < row.tokens.length; token += 1) {
      const start = (index * shape.tokens + token) * width;
      const oldest = shape.slidingWindow === null ? 0 : row.positions[token]! - shape.slidingWindow + 1;
      if (oldest < row.pastLength) mask.fill(0, start + Math.max(0, oldest), start + row.pastLength);
      for (let key = 0; key <= token; key += 1) {
        if (row.positions[key]! >= oldest && sees(row.branches, token, key))
          mask[start + shape.past + key] = 0;
      }
    }
  });
}

/** Whether new token `token` sees new token `key` ≤ `token`, as far as branches go. */
function sees(branches: Int32Array | null, token: number, key: number): boolean {
  if (branches === null || key === token) return true;
  const branch = branches[key];
  return branch === -1 || branch === branches[token];
}
