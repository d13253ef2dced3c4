import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { StoredTensor } from '#services/inference/graph/builder.js';
import { gradientGraph } from '#services/inference/graph/gradient.js';
import { fillMask } from '#services/inference/runtime/mask.js';
import { loraAdaptation } from '../../evidence/lora/adaptation.js';
import {
  initialLora,
  type LoraTargets,
  loraLayout,
  loraShape,
  mergeLora,
} from '../../evidence/lora/shape.js';
import { type Array64, evaluateGraph } from '../../support/evaluate-graph.js';
import { randomNumbers } from '../../support/random-numbers.js';
import { modelConfig } from '../graph/model-config.js';
import { filesOf, preparedModel } from '../graph/prepared-model.js';

const [ROWS, TOKENS] = [2, 4];
const WANTED = [1, 2, 3, 5, 6, 7];
const MODEL = preparedModel(
  modelConfig({
    layers: 2,
    hiddenSize: 10,
    feedForwardSize: 7,
    vocabularySize: 11,
    contextLength: 8,
    heads: 4,
    keyValueHeads: 2,
    headSize: 4,
    tiedEmbeddings: true,
    attentionBias: true,
  }),
  'none',
);

const tensor = (shape: readonly number[], data: ArrayLike<number>): Array64 => ({
  shape,
  data: Float64Array.from(data),
});

/** A weight: random, and dependent on its name alone. */
function weightOf({ location, shape }: Pick<StoredTensor, 'location' | 'shape'>): Float64Array {
  const seed = [...location].reduce((sum, letter) => (sum * 31 + letter.charCodeAt(0)) % 65_521, 7);
  const count = shape.reduce((a, b) => a * b, 1);
  return randomNumbers(count, seed).map((value) => (shape.length === 1 ? 1 + 0.3 * value : 0.6 * value));
}

function inputs(): Record<string, Array64> {
  const mask = new Float32Array(ROWS * TOKENS * TOKENS);
  const row = {
    tokens: new Int32Array(TOKENS),
    positions: Int32Array.of(0, 1, 2, 3),
    branches: null,
    pastLength: 0,
  };
  fillMask(mask, [row, row], { tokens: TOKENS, past: 0, slidingWindow: null });
  const ids = (count: number, seed: number) =>
    randomNumbers(count, seed).map((value) => Math.floor(((value + 1) / 2) * MODEL.config.vocabularySize));
  return {
    tokens: tensor([ROWS, TOKENS], ids(ROWS * TOKENS, 3)),
    positions: tensor([ROWS, TOKENS], [0, 1, 2, 3, 0, 1, 2, 3]),
    mask: tensor([ROWS, 1, TOKENS, TOKENS], mask),
    wanted: tensor([WANTED.length], WANTED),
    targets: tensor([WANTED.length, 1], ids(WANTED.length, 5)),
    log_prob_seeds: tensor([WANTED.length, 1], randomNumbers(WANTED.length, 6)),
  };
}

function prepare(targets: LoraTargets, rank: number) {
  const shape = loraShape(MODEL, { rank, targets });
  const { size } = loraLayout(shape);
  const g = gradientGraph({
    model: MODEL,
    weights: filesOf(MODEL),
    kl: 'none',
    adaptation: loraAdaptation(shape),
  });
  const given = inputs();
  const run = (packed: Array64) => evaluateGraph(g, { ...given, spectrum: packed }, weightOf);
  const loss = (packed: Array64): number =>
    run(packed)
      .get('log_probs')!
      .data.reduce((sum, value, i) => sum + value * given.log_prob_seeds!.data[i]!, 0);
  return { shape, size, run, loss, g, given };
}

describe("the LoRA baseline's graph, evaluated in f64", () => {
  for (const [targets, rank] of [
    ['q,v', 2],
    ['mlp', 1],
    ['q,v,mlp', 3],
  ] as const) {
    it(`${targets}, rank ${rank}: the gradient by A and B is what central differences say`, () => {
      const { size, run, loss } = prepare(targets, rank);
      const packed = tensor(
        [ROWS, 1, size],
        randomNumbers(ROWS * size, 4).map((value) => 0.5 * value),
      );
      const gradient = run(packed).get('gradient')!;
      assert.deepEqual(gradient.shape, packed.shape);
      const largest = gradient.data.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
      assert.ok(largest > 1e-3, 'the loss depends on A and B');
      const moved = (i: number, by: number): Array64 => ({
        ...packed,
        data: packed.data.with(i, packed.data[i]! + by),
      });
      for (let i = 0; i < gradient.data.length; i += 23) {
        const numeric = (loss(moved(i, 1e-5)) - loss(moved(i, -1e-5))) / 2e-5;
        assert.ok(
          Math.abs(numeric - gradient.data[i]!) <= 1e-7 * largest,
          `entry ${i}: ${gradient.data[i]}, differences say ${numeric}`,
        );
      }
    });
  }

  it('gives with A and B what it gives with B = 0 under the merged weights that answers are sampled with', () => {
    const { shape, size, run, g, given } = prepare('q,v,mlp', 2);
    const one = Float32Array.from(randomNumbers(size, 4).map((value) => 0.5 * value));
    const { slots } = loraLayout(shape);
    const piece = (index: number): Float32Array => {
      const { offset, length } = slots[index]!;
      return one.subarray(offset, offset + length);
    };
    const merged = new Map(
      shape.linears.map(({ name, rows, columns }, i) => {
        const weight = Float32Array.from(weightOf({ location: name, shape: [rows, columns] }));
        const factors = { a: piece(2 * i), b: piece(2 * i + 1) };
        return [name, mergeLora(weight, factors, { ...shape, rows, columns })];
      }),
    );
    const zero = tensor([ROWS, 1, size], new Float64Array(ROWS * size));
    const values = evaluateGraph(g, { ...given, spectrum: zero }, (stored) =>
      Float64Array.from(merged.get(stored.location) ?? weightOf(stored)),
    );
    const expected = values.get('log_probs')!.data;
    const actual = run(tensor([ROWS, 1, size], [...one, ...one])).get('log_probs')!.data;
    actual.forEach((value, i) => {
      assert.ok(Math.abs(value - expected[i]!) < 1e-5, `${i}: ${value}, merged ${expected[i]}`);
    });
  });

  it('begins at the base: B is zero, A is spread as the Kaiming rule says, another one for each seed', () => {
    const shape = loraShape(MODEL, { rank: 2, targets: 'q,v' });
    const values = initialLora(shape, 1n);
    const { slots } = loraLayout(shape);
    slots.forEach(({ name, offset, length }) => {
      const own = values.subarray(offset, offset + length);
      const bound = 1 / Math.sqrt(MODEL.config.hiddenSize);
      if (name.endsWith('.B')) assert.ok(own.every((value) => value === 0));
      else assert.ok(own.every((value) => Math.abs(value) <= bound && value !== 0));
    });
    assert.notDeepEqual(initialLora(shape, 2n), values);
    assert.deepEqual(initialLora(shape, 1n), values);
  });
});
