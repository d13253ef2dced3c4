import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { fillMask, HIDDEN } from '#services/inference/runtime/mask.js';
import type { SpectrumHandle, StepRow } from '#services/inference/runtime/runtime.js';

/** Draws a mask: one line a token, `x` where it sees a key, past and new apart. */
function draw(
  rows: readonly StepRow[],
  shape: { tokens: number; past: number; slidingWindow?: number },
): string[] {
  const width = shape.past + shape.tokens;
  // Filled with what a smaller step might have left behind.
  const mask = new Float32Array(rows.length * shape.tokens * width).fill(7);
  fillMask(mask, rows, { slidingWindow: null, ...shape });
  return Array.from({ length: rows.length * shape.tokens }, (_, line) => {
    const keys = [...mask.subarray(line * width, (line + 1) * width)].map((value) => {
      assert.ok(value === 0 || value === Math.fround(HIDDEN), `an element is ${value}`);
      return value === 0 ? 'x' : '.';
    });
    return `${keys.slice(0, shape.past).join('')}|${keys.slice(shape.past).join('')}`;
  });
}

function row(past: number, count: number, changes: Partial<StepRow> = {}): StepRow {
  const tokens = new Int32Array(count);
  return {
    tokens,
    positions: tokens.map((_, i) => past + i),
    pages: new Int32Array(0),
    pastLength: past,
    branches: null,
    store: 0,
    spectrum: 1 as SpectrumHandle,
    wanted: new Int32Array(0),
    ...changes,
  };
}

describe('the mask of a step', () => {
  it('shows each token its valid past, those before it, and itself', () => {
    assert.deepEqual(draw([row(2, 3)], { tokens: 3, past: 4 }), ['xx..|x..', 'xx..|xx.', 'xx..|xxx']);
  });

  it('works without a past', () => {
    assert.deepEqual(draw([row(0, 2)], { tokens: 2, past: 0 }), ['|x.', '|xx']);
  });

  it('hides everything from padding, and padding from everything', () => {
    assert.deepEqual(draw([row(1, 1), row(3, 2)], { tokens: 2, past: 4 }), [
      'x...|x.',
      '....|..',
      'xxx.|x.',
      'xxx.|xx',
    ]);
  });

  it('cuts the past and the new tokens off at the sliding window, which counts the token itself', () => {
    assert.deepEqual(draw([row(3, 4)], { tokens: 4, past: 4, slidingWindow: 3 }), [
      '.xx.|x...',
      '..x.|xx..',
      '....|xxx.',
      '....|.xxx',
    ]);
  });

  it('shows a branch the trunk and itself, never another branch, and the trunk no branch', () => {
    const positions = Int32Array.of(1, 2, 3, 3, 4, 3);
    const branches = Int32Array.of(-1, -1, 0, 1, 1, -1);
    assert.deepEqual(draw([row(1, 6, { positions, branches })], { tokens: 6, past: 1 }), [
      'x|x.....',
      'x|xx....',
      'x|xxx...',
      'x|xx.x..',
      'x|xx.xx.',
      'x|xx...x',
    ]);
  });

  it('measures the window in branches by position, not by place in the row', () => {
    const positions = Int32Array.of(0, 1, 2, 2, 3);
    const branches = Int32Array.of(-1, -1, 0, 1, 1);
    assert.deepEqual(draw([row(0, 5, { positions, branches })], { tokens: 5, past: 0, slidingWindow: 2 }), [
      '|x....',
      '|xx...',
      '|.xx..',
      '|.x.x.',
      '|...xx',
    ]);
  });
});
