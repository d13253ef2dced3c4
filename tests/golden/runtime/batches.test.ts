import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Runtime, StepRow } from '#services/inference/runtime/runtime.js';
import { CHECKPOINTS, serveCheckpoint } from './fixture.js';
import { relativeError, type Sequence, sequenceMaker } from './sequence.js';

/** Random batches for each checkpoint; 1 000 over all. */
const BATCHES = 200;

/** Largest difference that batch mates may make, relative to the largest logit. */
const TOLERANCE = 2e-4;

const FULL = { topK: 0, fullLogits: true, targets: null };

for (const name of CHECKPOINTS) {
  describe(`batch mates, ${name}`, () => {
    it('change no logit beyond the tolerance and no greedy token', async (context) => {
      const served = await serveCheckpoint(name);
      const { runtime } = served;
      const random = randomNumbers(7);
      const spectra = await Promise.all([null, ...served.golden.adapted].map(served.spectrum));
      const handles = spectra.map((spectrum) => runtime.addSpectrum(spectrum));
      const make = sequenceMaker(runtime);
      const sequences = Array.from({ length: 10 }, () =>
        make(randomTokens(random, 3 + random(100)), handles[random(handles.length)]!),
      );
      for (const sequence of sequences) await fill(runtime, sequence);

      let [rows, equal] = [0, 0];
      for (let batch = 0; batch < BATCHES; batch += 1) {
        const decoding = batch % 2 === 0;
        const mates = sequences.filter(() => random(2) === 0);
        const step = mates.map((sequence) => newTokens(sequence, random, decoding ? 1 : 1 + random(12)));
        if (step.length === 0) continue;
        const together = await runtime.step(step, FULL);
        let from = 0;
        for (const row of step) {
          const alone = await runtime.step([row], FULL);
          const logits = together.logits!.subarray(from, from + alone.logits!.length);
          from += logits.length;
          const error = relativeError(logits, alone.logits!);
          assert.ok(error <= TOLERANCE, `batch ${batch}: ${error}`);
          assertSameBest(logits, alone.logits!, runtime.info.vocabularySize);
          rows += 1;
          if (error === 0) equal += 1;
        }
      }
      context.diagnostic(`${equal} of ${rows} rows bit-equal`);
      await served.close();
    });
  });
}

async function fill(runtime: Runtime, sequence: Sequence): Promise<void> {
  const tokens = Int32Array.from(sequence.tokens);
  const positions = tokens.map((_, i) => i);
  const wanted = new Int32Array(0);
  const { spectrum, pages } = sequence;
  const row = {
    tokens,
    positions,
    pages,
    pastLength: 0,
    branches: null,
    store: tokens.length,
    spectrum,
    wanted,
  };
  await runtime.step([row], { topK: 0, fullLogits: false, targets: null });
  sequence.past = tokens.length;
}

function newTokens(sequence: Sequence, random: (below: number) => number, count: number): StepRow {
  const tokens = Int32Array.from(randomTokens(random, count));
  return {
    tokens,
    positions: tokens.map((_, i) => sequence.past + i),
    pages: sequence.pages,
    pastLength: sequence.past,
    branches: null,
    store: 0,
    spectrum: sequence.spectrum,
    wanted: tokens.map((_, i) => i),
  };
}

/** The best token of every row agrees; a lead that is smaller than the rows' difference decides nothing. */
function assertSameBest(together: Float32Array, alone: Float32Array, width: number): void {
  for (let start = 0; start < alone.length; start += width) {
    const [a, b] = [together.subarray(start, start + width), alone.subarray(start, start + width)];
    const [bestA, bestB] = [a.indexOf(Math.max(...a)), b.indexOf(Math.max(...b))];
    const difference = Math.max(...a.map((value, i) => Math.abs(value - b[i]!)));
    assert.ok(bestA === bestB || b[bestB]! - b[bestA]! <= 2 * difference, `greedy ${bestA}, alone ${bestB}`);
  }
}

function randomTokens(random: (below: number) => number, count: number): number[] {
  return Array.from({ length: count }, () => 3 + random(300));
}

/** mulberry32: whole numbers below its argument. */
function randomNumbers(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * below);
  };
}
