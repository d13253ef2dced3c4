import assert from 'node:assert/strict';
import type {
  Runtime,
  RuntimeInfo,
  SpectrumHandle,
  StepOutputs,
  StepResult,
  StepRow,
} from '#services/inference/runtime/runtime.js';

/** Sizes of the fake. */
export interface FakeRuntimeOptions {
  readonly vocabularySize?: number;
  readonly contextLength?: number;
  readonly pageTokens?: number;
  readonly pageCount?: number;
  /** Called before each step. */
  readonly onStep?: (rows: readonly StepRow[]) => void | Promise<void>;
}

/** A fake runtime that remembers what it was asked. */
export interface FakeRuntime extends Runtime {
  /** Rows of every step so far. */
  readonly steps: (readonly StepRow[])[];
  readonly copies: number;
}

/** One stored position: the token, where it was, and under which spectrum. */
interface Slot {
  readonly token: number;
  readonly position: number;
  readonly spectrum: number;
}

/**
 * Logits that can be computed by hand: after the visible tokens t₀…tₙ under spectrum value s, the best id is
 * h = (Σ (i + 1)·tᵢ + s) mod V and the logit of id v is −((v − h) mod V) / 4. Every page slot holds the token it was
 * stored for, so a page that is shared, copied or freed wrongly changes the answer or fails an assertion.
 */
export function createFakeRuntime(options: FakeRuntimeOptions = {}): FakeRuntime {
  const vocabularySize = options.vocabularySize ?? 97;
  const pageTokens = options.pageTokens ?? 4;
  const info: RuntimeInfo = {
    vocabularySize,
    contextLength: options.contextLength ?? 256,
    pageTokens,
    pageCount: options.pageCount ?? 64,
    spectrumLength: 1,
    // As much as 16 pages.
    weightBytes: 16 * pageTokens,
    // One byte a position.
    kvBytes: (options.pageCount ?? 64) * pageTokens,
  };
  const pool: (Slot | undefined)[] = new Array(info.pageCount * pageTokens).fill(undefined);
  const spectra = new Map<SpectrumHandle, number>();
  const steps: (readonly StepRow[])[] = [];
  let handles = 0;
  let copies = 0;
  const slotOf = (pages: Int32Array, position: number): number => {
    const page = pages[Math.floor(position / pageTokens)];
    assert(page !== undefined, `no page for position ${position}`);
    return page * pageTokens + (position % pageTokens);
  };
  const run = (row: StepRow): number[] => {
    const spectrum = spectra.get(row.spectrum);
    assert(spectrum !== undefined, 'the spectrum is not resident');
    const past = Array.from({ length: row.pastLength }, (_, position) => {
      const slot = pool[slotOf(row.pages, position)];
      assert(slot, `position ${position} was never stored`);
      assert.equal(slot.position, position, 'a page holds another position');
      assert.equal(slot.spectrum, spectrum, 'a page was stored under another spectrum');
      return slot.token;
    });
    const best = Array.from(row.tokens, (_, i) => {
      const visible = [...past];
      for (let j = 0; j <= i; j++) {
        const branch = row.branches?.[j] ?? -1;
        if (branch === -1 || branch === row.branches?.[i]) visible.push(row.tokens[j]!);
      }
      assert.equal(row.positions[i], visible.length - 1, 'a position is not the number of tokens before it');
      return fakeNext(visible, spectrum, vocabularySize);
    });
    for (let i = 0; i < row.store; i++) {
      const position = row.pastLength + i;
      pool[slotOf(row.pages, position)] = { token: row.tokens[i]!, position, spectrum };
    }
    return best;
  };
  return {
    info,
    steps,
    get copies() {
      return copies;
    },
    addSpectrum(spectrum) {
      const handle = ++handles as SpectrumHandle;
      spectra.set(handle, spectrum[0]!);
      return handle;
    },
    removeSpectrum(handle) {
      assert(spectra.delete(handle), 'an unknown spectrum is removed');
    },
    async step(rows, outputs) {
      steps.push(rows.map((row) => ({ ...row, pages: row.pages.slice() })));
      await options.onStep?.(rows);
      const best = rows.flatMap((row) => {
        const after = run(row);
        return Array.from(row.wanted, (index) => after[index]!);
      });
      return results(best, outputs, vocabularySize);
    },
    copyPage(from, to, tokens) {
      copies++;
      for (let i = 0; i < pageTokens; i++)
        pool[to * pageTokens + i] = i < tokens ? pool[from * pageTokens + i] : undefined;
    },
    async dispose() {},
  };
}

/** The best next id after `tokens` under a spectrum value. */
export function fakeNext(tokens: readonly number[], spectrum: number, vocabularySize: number): number {
  const sum = tokens.reduce((total, token, i) => (total + (i + 1) * token) % vocabularySize, 0);
  return (sum + spectrum) % vocabularySize;
}

/** The fake's logit of `id` where `best` is the best one. */
export function fakeLogit(id: number, best: number, vocabularySize: number): number {
  return -(((id - best) % vocabularySize) + vocabularySize) % vocabularySize === 0
    ? 0
    : -((((id - best) % vocabularySize) + vocabularySize) % vocabularySize) / 4;
}

/** log Σ exp of every row of the fake's logits. */
export function fakeLogSumExp(vocabularySize: number): number {
  let sum = 0;
  for (let i = 0; i < vocabularySize; i++) sum += Math.exp(-i / 4);
  return Math.log(sum);
}

function results(best: readonly number[], outputs: StepOutputs, vocabularySize: number): StepResult {
  const k = outputs.topK;
  const perRow = <T>(width: number, value: (best: number, column: number) => T): T[] =>
    best.flatMap((b) => Array.from({ length: width }, (_, column) => value(b, column)));
  return {
    logSumExp: Float32Array.from(best, () => fakeLogSumExp(vocabularySize)),
    topIds: k > 0 ? Int32Array.from(perRow(k, (b, i) => (b + i) % vocabularySize)) : null,
    topValues: k > 0 ? Float32Array.from(perRow(k, (_, i) => -i / 4)) : null,
    logits: outputs.fullLogits
      ? Float32Array.from(perRow(vocabularySize, (b, id) => fakeLogit(id, b, vocabularySize)))
      : null,
    targetLogits: outputs.targets
      ? Float32Array.from(best, (b, i) => fakeLogit(outputs.targets![i]!, b, vocabularySize))
      : null,
  };
}
