import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { accumulator } from '#services/inference/gradient/accumulate.js';
import { packPart } from '#services/inference/gradient/pack.js';
import { planParts } from '#services/inference/gradient/plan.js';
import type { GradientSequence } from '#services/inference/gradient/task.js';
import type { ZmeshError } from '#shared/errors.js';
import { seededUniform } from '../../support/random-matrices.js';

const sequence = (
  prompt: number[],
  answer: number[],
  given: Partial<GradientSequence> = {},
): GradientSequence => ({
  prompt: Int32Array.from(prompt),
  answer: Int32Array.from(answer),
  spectrum: 0,
  logProbSeed: 1,
  klSeed: 0,
  ...given,
});
/** A token costs 10, a wanted one 1 more. */
const bytesOf = (sizes: { rows: number; tokensPerRow: number; wanted: number }) =>
  10 * sizes.rows * sizes.tokensPerRow + sizes.wanted;
const plan = (sequences: readonly GradientSequence[], memoryBytes = 1e6) =>
  planParts(sequences, { memoryBytes, bytesOf, width: 64 });

describe('planning parts', () => {
  it('sequences with one prompt and one spectrum share a row; others do not', () => {
    const prompt = [1, 2, 3, 4];
    const parts = plan([
      sequence(prompt, [5, 6]),
      sequence([1, 2, 3], [5, 6]),
      sequence(prompt, [7]),
      sequence(prompt, [7], { spectrum: 1 }),
    ]);
    const rows = parts.flatMap(({ members }) => members.map(({ members: own }) => own));
    assert.deepEqual(rows.map((row) => row.join()).sort(), ['0,2', '1', '3']);
  });

  it('a row grows no longer than sharing its prompt pays for its attention', () => {
    const prompt = Array(16).fill(1);
    const parts = plan(Array.from({ length: 20 }, () => sequence(prompt, Array(8).fill(2))));
    const rows = parts.flatMap(({ members }) => members.map(({ tokens }) => tokens));
    const most = 16 + Math.sqrt(16 * (4 * 64 + 16));
    assert.ok(rows.every((tokens) => tokens <= most && (tokens > most - 8 || tokens === Math.min(...rows))));
    assert.ok(rows.length > 2 && rows.length < 5);
  });

  it('no part exceeds the limit, nothing is lost, and equal tasks give equal plans, whatever the lengths', () => {
    const uniform = seededUniform(11);
    const below = (n: number) => Math.floor(uniform() * n);
    for (let round = 0; round < 200; round++) {
      const sequences = Array.from({ length: 1 + below(30) }, () =>
        sequence(
          Array.from({ length: 1 + below(8) }, () => below(2)),
          Array(1 + below(20)).fill(3),
          {
            spectrum: below(2),
          },
        ),
      );
      const limit = 320 + below(2000);
      const parts = plan(sequences, limit);
      assert.deepEqual(plan(sequences, limit), parts);
      assert.ok(parts.every(({ bytes }) => bytes <= limit));
      const members = parts.flatMap((part) => part.members.flatMap((row) => row.members));
      assert.deepEqual(
        members.sort((a, b) => a - b),
        sequences.map((_, i) => i),
      );
      for (const part of parts) {
        assert.equal(part.bytes, bytesOf(part));
      }
    }
  });

  it('a part has at most 1024 tokens, and a tenth of padding, or 64 tokens where that is more', () => {
    const lengths = Array.from({ length: 60 }, (_, i) => 1 + ((i * 37) % 300));
    const parts = plan(
      lengths.map((length, i) => sequence([i], Array(length).fill(3))),
      Number.POSITIVE_INFINITY,
    );
    for (const { rows, tokensPerRow, members } of parts) {
      const computed = rows * tokensPerRow;
      const padding = computed - members.reduce((sum, { tokens }) => sum + tokens, 0);
      assert.ok(padding <= Math.max(64, computed / 10), `${padding} of ${computed}`);
      assert.ok(computed <= 1024);
    }
    assert.ok(parts.length > 8 && parts.length < 16, `${parts.length} parts`);
  });

  it('a sequence that does not fit alone is refused with what it needs', () => {
    assert.throws(
      () => plan([sequence([1], [2]), sequence([1, 2, 3], Array(20).fill(4))], 100),
      (error: ZmeshError) => {
        assert.equal(error.reason, 'TOO_LARGE');
        assert.deepEqual(
          [error.details.field, error.details.limit, error.details.value],
          ['sequences[1]', 100, 240],
        );
        return true;
      },
    );
  });
});

describe('packing a part', () => {
  it('answers are branches after their common prompt, each beginning with its last token', () => {
    const sequences = [sequence([1, 2, 3], [4, 5]), sequence([1, 2, 3], [6], { logProbSeed: -2, klSeed: 3 })];
    const [part] = plan(sequences);
    const task = { kl: 'none' as const, sequences, spectra: [Float32Array.of(7, 8)] };
    const packed = packPart(task, part!, null);
    assert.deepEqual([...packed.tokens], [1, 2, 3, 4, 3]);
    assert.deepEqual([...packed.positions], [0, 1, 2, 3, 2]);
    assert.deepEqual([...packed.positionsWanted], [2, 3, 4]);
    assert.deepEqual([...packed.targets], [4, 5, 6]);
    assert.deepEqual([...packed.logProbSeeds], [1, 1, -2]);
    assert.deepEqual([...packed.klSeeds], [0, 0, 3]);
    assert.deepEqual([...packed.spectra], [7, 8]);
    const seen = [...packed.mask].map((value) => (value === 0 ? 1 : 0));
    assert.deepEqual(seen, [
      ...[1, 0, 0, 0, 0],
      ...[1, 1, 0, 0, 0],
      ...[1, 1, 1, 0, 0],
      ...[1, 1, 1, 1, 0],
      ...[1, 1, 0, 0, 1],
    ]);
  });
});

describe('accumulating', () => {
  const sequences = [sequence([1], [2, 3]), sequence([1, 5], [4], { spectrum: 1 })];
  const task = { kl: 'none' as const, sequences, spectra: [Float32Array.of(1), Float32Array.of(1)] };
  const result = (gradient: number[]) => ({
    logProbs: Float32Array.of(-1, -2, -3),
    kl: null,
    gradient: Float32Array.from(gradient),
  });

  it('each row goes to its spectrum, in f64, and each token to its sequence', () => {
    const [part] = plan(task.sequences);
    const sums = accumulator(task);
    sums.add(part!, result([1, 2 ** -30]));
    sums.add(part!, result([2 ** -30, 1]));
    assert.deepEqual(
      sums.outcome.gradients.map(([value]) => value),
      [1 + 2 ** -30, 1 + 2 ** -30],
    );
    const byMember = part!.members.flatMap(({ members }) => members);
    assert.deepEqual(byMember, [0, 1]);
    assert.deepEqual(
      sums.outcome.logProbs.map((values) => [...values]),
      [[-1, -2], [-3]],
    );
  });

  it('numbers that are not finite are the mixture’s fault', () => {
    const [part] = plan(task.sequences);
    assert.throws(
      () => accumulator(task).add(part!, result([1, Number.NaN])),
      (error: ZmeshError) =>
        error.reason === 'BAD_MIXTURE' && /gradients are not finite \(NaN\)/.test(error.message),
    );
  });
});
