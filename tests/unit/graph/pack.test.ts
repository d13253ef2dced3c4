import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createPacker } from '#services/inference/runtime/pack.js';
import type { SpectrumHandle, StepRow } from '#services/inference/runtime/runtime.js';

const LIMITS = {
  vocabularySize: 100,
  contextLength: 32,
  pageTokens: 4,
  zeroPage: 9,
  slidingWindow: null,
  spectrumLength: 2,
};

const SPECTRA = new Map([
  [1, Float32Array.of(1, 2)],
  [2, Float32Array.of(3, 4)],
]);
const spectrumOf = (handle: SpectrumHandle) => SPECTRA.get(handle)!;

const LONG: StepRow = {
  tokens: Int32Array.of(11, 12, 13),
  positions: Int32Array.of(5, 6, 7),
  pages: Int32Array.of(8, 2, 0),
  pastLength: 5,
  branches: null,
  store: 3,
  spectrum: 2 as SpectrumHandle,
  wanted: Int32Array.of(1, 2),
};
const SHORT: StepRow = {
  ...LONG,
  tokens: Int32Array.of(14),
  positions: Int32Array.of(0),
  pages: Int32Array.of(7),
  pastLength: 0,
  store: 1,
  spectrum: 1 as SpectrumHandle,
  wanted: Int32Array.of(0),
};

describe('packing a step', () => {
  it('pads rows to rectangles, and page tables with the zero page', () => {
    const step = createPacker(LIMITS)([SHORT, LONG], spectrumOf);
    assert.deepEqual([step.rows, step.tokensPerRow, step.pagesPerRow, step.headRows], [2, 3, 2, 3]);
    assert.deepEqual([...step.tokens], [14, 0, 0, 11, 12, 13]);
    assert.deepEqual([...step.positions], [0, 0, 0, 5, 6, 7]);
    assert.deepEqual([...step.pageTable], [9, 9, 8, 2]);
    assert.deepEqual([...step.spectra], [1, 2, 3, 4]);
    assert.deepEqual([...step.wanted], [0, 4, 5]);
    assert.equal(step.mask.length, 2 * 3 * (8 + 3));
  });

  it('reads no page that holds no valid past', () => {
    const step = createPacker(LIMITS)(
      [{ ...LONG, pastLength: 4, positions: Int32Array.of(4, 5, 6) }],
      spectrumOf,
    );
    assert.deepEqual([...step.pageTable], [8]);
  });

  it('leaves nothing of a larger step behind in its memory', () => {
    const pack = createPacker(LIMITS);
    const alone = pack([SHORT], spectrumOf);
    const expected = structuredClone(alone);
    pack([LONG, LONG], spectrumOf);
    assert.deepEqual(pack([SHORT], spectrumOf), expected);
  });

  it('runs the head on one token where none is wanted', () => {
    const step = createPacker(LIMITS)([{ ...LONG, wanted: new Int32Array(0) }], spectrumOf);
    assert.deepEqual([step.headRows, ...step.wanted], [1, 0]);
  });

  for (const [fault, row, message] of [
    ['a token beyond the vocabulary', { ...SHORT, tokens: Int32Array.of(100) }, /token 100 is below 100/],
    ['a position beyond the context', { ...SHORT, positions: Int32Array.of(32) }, /position 32 is below 32/],
    ['a row without tokens', { ...SHORT, tokens: new Int32Array(0) }, /a row has at least one token/],
    [
      'positions of another count',
      { ...SHORT, positions: Int32Array.of(0, 1) },
      /1 tokens have as many positions/,
    ],
    ['more to store than there is', { ...SHORT, store: 2 }, /2 of 1 tokens can be stored/],
    ['too few pages', { ...LONG, pages: Int32Array.of(1) }, /pages for 4 positions hold 5 and 3 more/],
    [
      'a wanted token that is not there',
      { ...SHORT, wanted: Int32Array.of(1) },
      /wanted token 1 is one of 1/,
    ],
  ] as const) {
    it(`refuses ${fault}`, () => {
      assert.throws(() => createPacker(LIMITS)([row], spectrumOf), message);
    });
  }
});
