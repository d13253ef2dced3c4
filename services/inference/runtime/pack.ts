import assert from 'node:assert/strict';
import { fillMask } from './mask.js';
import type { SpectrumHandle, StepRow } from './runtime.js';
import { floatScratch, intScratch } from './scratch.js';

/** What packing needs to know of the model and its pool. */
export interface PackLimits {
  readonly vocabularySize: number;
  readonly contextLength: number;
  readonly pageTokens: number;
  /** The page that page tables are padded with. */
  readonly zeroPage: number;
  readonly slidingWindow: number | null;
  readonly spectrumLength: number;
}

/** A step as the graph's inputs; all arrays are scratch memory. */
export interface PackedStep {
  readonly rows: number;
  /** New tokens a row, padded. */
  readonly tokensPerRow: number;
  /** Pages a row, padded. */
  readonly pagesPerRow: number;
  /** Wanted tokens over all rows; 1 where none is wanted, since the graph cannot run its head on nothing. */
  readonly headRows: number;
  /** [rows, tokensPerRow]. */
  readonly tokens: Int32Array;
  /** [rows, tokensPerRow]. */
  readonly positions: Int32Array;
  /** [rows, pagesPerRow]. */
  readonly pageTable: Int32Array;
  /** [rows, 1, tokensPerRow, pagesPerRow · pageTokens + tokensPerRow]. */
  readonly mask: Float32Array;
  /** [rows, 1, spectrumLength]. */
  readonly spectra: Float32Array;
  /** Indices into rows · tokensPerRow, [headRows]. */
  readonly wanted: Int32Array;
}

/** Turns rows into rectangles. */
export type Packer = (
  rows: readonly StepRow[],
  spectrumOf: (handle: SpectrumHandle) => Float32Array,
) => PackedStep;

/** Makes a packer; it reuses its memory from step to step. */
export function createPacker(limits: PackLimits): Packer {
  const [tokenMemory, positionMemory, tableMemory, wantedMemory] = [
    intScratch(),
    intScratch(),
    intScratch(),
    intScratch(),
  ];
  const [maskMemory, spectrumMemory] = [floatScratch(), floatScratch()];
  return (rows, spectrumOf) => {
    assert.ok(rows.length > 0, 'a step has at least one row');
    let [tokensPerRow, pagesPerRow, wantedCount] = [0, 0, 0];
    for (const row of rows) {
      checkRow(row, limits);
      tokensPerRow = Math.max(tokensPerRow, row.tokens.length);
      pagesPerRow = Math.max(pagesPerRow, pastPages(row, limits.pageTokens));
      wantedCount += row.wanted.length;
    }
    const past = pagesPerRow * limits.pageTokens;
    const step: PackedStep = {
      rows: rows.length,
      tokensPerRow,
      pagesPerRow,
      headRows: Math.max(1, wantedCount),
      tokens: tokenMemory.take(rows.length * tokensPerRow),
      positions: positionMemory.take(rows.length * tokensPerRow),
      pageTable: tableMemory.take(rows.length * pagesPerRow),
      mask: maskMemory.take(rows.length * tokensPerRow * (past + tokensPerRow)),
      spectra: spectrumMemory.take(rows.length * limits.spectrumLength),
      wanted: wantedMemory.take(Math.max(1, wantedCount)),
    };
    fillRows(step, rows, limits);
    fillMask(step.mask, rows, { tokens: tokensPerRow, past, slidingWindow: limits.slidingWindow });
    rows.forEach((row, index) => {
      step.spectra.set(spectrumOf(row.spectrum), index * limits.spectrumLength);
    });
    return step;
  };
}

function fillRows(step: PackedStep, rows: readonly StepRow[], limits: PackLimits): void {
  step.tokens.fill(0);
  step.positions.fill(0);
  step.pageTable.fill(limits.zeroPage);
  step.wanted.fill(0);
  let count = 0;
  rows.forEach((row, index) => {
    const start = index * step.tokensPerRow;
    step.tokens.set(row.tokens, start);
    step.positions.set(row.positions, start);
    step.pageTable.set(row.pages.subarray(0, pastPages(row, limits.pageTokens)), index * step.pagesPerRow);
    for (const token of row.wanted) {
      step.wanted[count] = start + token;
      count += 1;
    }
  });
}

/** Pages that hold valid past; a page that is only about to be written is not read. */
function pastPages(row: StepRow, pageTokens: number): number {
  return Math.ceil(row.pastLength / pageTokens);
}

function checkRow(row: StepRow, limits: PackLimits): void {
  const { tokens, positions, pages, pastLength, store, branches } = row;
  assert.ok(tokens.length > 0, 'a row has at least one token');
  assert.ok(
    positions.length === tokens.length && (branches === null || branches.length === tokens.length),
    `${tokens.length} tokens have as many positions and branches`,
  );
  assert.ok(store >= 0 && store <= tokens.length, `${store} of ${tokens.length} tokens can be stored`);
  const held = pages.length * limits.pageTokens;
  assert.ok(
    pastLength >= 0 && pastLength + store <= held,
    `pages for ${held} positions hold ${pastLength} and ${store} more`,
  );
  for (let index = 0; index < tokens.length; index += 1) {
    const [token, position] = [tokens[index]!, positions[index]!];
    assert.ok(
      token >= 0 && token < limits.vocabularySize,
      `token ${token} is below ${limits.vocabularySize}`,
    );
    assert.ok(
      position >= 0 && position < limits.contextLength,
      `position ${position} is below ${limits.contextLength}`,
    );
  }
  for (const index of row.wanted) {
    assert.ok(index >= 0 && index < tokens.length, `wanted token ${index} is one of ${tokens.length}`);
  }
}
