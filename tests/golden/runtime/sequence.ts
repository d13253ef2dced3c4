import type { Runtime, SpectrumHandle, StepResult, StepRow } from '#services/inference/runtime/runtime.js';

/** One sequence that a test feeds through a runtime. */
export interface Sequence {
  readonly spectrum: SpectrumHandle;
  readonly pages: Int32Array;
  readonly tokens: number[];
  /** Tokens whose keys and values are stored. */
  past: number;
}

/** Makes sequences with pages of their own; a new maker starts at page 0 again. */
export function sequenceMaker(
  runtime: Runtime,
): (tokens: readonly number[], spectrum: SpectrumHandle) => Sequence {
  let nextPage = 0;
  return (tokens, spectrum) => {
    const count = Math.ceil((tokens.length + 24) / runtime.info.pageTokens);
    // Falling numbers, so that a mistake in the order of pages shows.
    const pages = Int32Array.from({ length: count }, (_, i) => nextPage + count - 1 - i);
    nextPage += count;
    if (nextPage > runtime.info.pageCount) throw new Error(`the test needs more than ${nextPage} pages`);
    return { spectrum, pages, tokens: [...tokens], past: 0 };
  };
}

/** The next `count` tokens of a sequence as a row that wants every token's logits. */
export function nextRow(sequence: Sequence, count: number): StepRow {
  const { tokens, pages, past, spectrum } = sequence;
  const next = Int32Array.from(tokens.slice(past, past + count));
  return {
    tokens: next,
    positions: next.map((_, i) => past + i),
    pages,
    pastLength: past,
    branches: null,
    store: next.length,
    spectrum,
    wanted: next.map((_, i) => i),
  };
}

/**
 * Feeds whole sequences, each in pieces of its own size, all in common steps, and returns each one's logits.
 * @param pieces tokens a step for each sequence.
 */
export async function feed(
  runtime: Runtime,
  sequences: readonly Sequence[],
  pieces: readonly number[],
): Promise<Float32Array[]> {
  const { vocabularySize } = runtime.info;
  const logits = sequences.map(({ tokens }) => new Float32Array(tokens.length * vocabularySize));
  for (;;) {
    const active = sequences.map((_, i) => i).filter((i) => sequences[i]!.past < sequences[i]!.tokens.length);
    if (active.length === 0) return logits;
    const rows = active.map((i) => nextRow(sequences[i]!, pieces[i]!));
    const result = await runtime.step(rows, { topK: 0, fullLogits: true, targets: null });
    let from = 0;
    for (const [index, row] of rows.entries()) {
      const sequence = sequences[active[index]!]!;
      const length = row.tokens.length * vocabularySize;
      logits[active[index]!]!.set(
        result.logits!.subarray(from, from + length),
        sequence.past * vocabularySize,
      );
      from += length;
      sequence.past += row.tokens.length;
    }
  }
}

/** Greedy tokens of sequences that decode together, prompts first. */
export async function greedy(
  runtime: Runtime,
  sequences: readonly Sequence[],
  count: number,
): Promise<number[][]> {
  const starts = sequences.map(({ tokens }) => tokens.length);
  for (let step = 0; step < count; step += 1) {
    const rows = sequences.map((sequence): StepRow => {
      const row = nextRow(sequence, sequence.tokens.length - sequence.past);
      return { ...row, wanted: Int32Array.of(row.tokens.length - 1) };
    });
    const result: StepResult = await runtime.step(rows, { topK: 1, fullLogits: false, targets: null });
    for (const [index, sequence] of sequences.entries()) {
      sequence.past = sequence.tokens.length;
      sequence.tokens.push(result.topIds![index]!);
    }
  }
  return sequences.map(({ tokens }, index) => tokens.slice(starts[index]!));
}

/** Largest difference relative to the largest wanted logit. */
export function relativeError(got: Float32Array, wanted: Float32Array): number {
  if (got.length !== wanted.length) throw new Error(`${got.length} logits instead of ${wanted.length}`);
  let [difference, largest] = [0, 0];
  for (let i = 0; i < wanted.length; i += 1) {
    const distance = Math.abs(got[i]! - wanted[i]!);
    // NaN must not pass for a small difference.
    if (!(distance <= difference)) difference = distance;
    largest = Math.max(largest, Math.abs(wanted[i]!));
  }
  return difference / largest;
}
