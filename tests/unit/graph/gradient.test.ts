import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { StoredTensor } from '#services/inference/graph/builder.js';
import { gradientGraph, type KlKind } from '#services/inference/graph/gradient.js';
import { spectrumLength } from '#services/inference/graph/model-weights.js';
import type { ModelConfig } from '#services/inference/model/prepared.js';
import { fillMask } from '#services/inference/runtime/mask.js';
import { type Array64, evaluateGraph } from '../../support/evaluate-graph.js';
import { randomNumbers } from '../../support/random-numbers.js';
import { modelConfig } from './model-config.js';
import { filesOf, preparedModel } from './prepared-model.js';

const [ROWS, TOKENS] = [2, 5];
/** The second row has a trunk of 2 tokens and two branches; the first is plain. */
const BRANCHES = [null, Int32Array.of(-1, -1, 0, 1, 1)];
const POSITIONS = [Int32Array.of(0, 1, 2, 3, 4), Int32Array.of(0, 1, 2, 2, 3)];
const WANTED = [2, 3, 4, 7, 8, 9];

/** A model's gradient graph with all of its inputs; weights are random and depend on their names alone. */
function prepare(config: ModelConfig, { adapt, kl }: { adapt: 'mlp' | 'all'; kl: KlKind }) {
  const model = preparedModel(config, adapt);
  const g = gradientGraph({ model, weights: filesOf(model), kl });
  const length = spectrumLength(model);
  const stored = ({ location, shape }: StoredTensor): Float64Array => {
    const seed = [...location].reduce((sum, letter) => (sum * 31 + letter.charCodeAt(0)) % 65_521, 7);
    const count = shape.reduce((a, b) => a * b, 1);
    // Norms near 1, so that signals stay in range; matrices small for the same reason.
    return randomNumbers(count, seed).map((value) => (shape.length === 1 ? 1 + 0.3 * value : 0.6 * value));
  };
  const mask = new Float32Array(ROWS * TOKENS * TOKENS);
  const rows = BRANCHES.map((branches, i) => ({
    tokens: new Int32Array(TOKENS),
    positions: POSITIONS[i]!,
    branches,
    pastLength: 0,
  }));
  fillMask(mask, rows, { tokens: TOKENS, past: 0, slidingWindow: config.slidingWindow });
  const of = (shape: readonly number[], data: ArrayLike<number>): Array64 => ({
    shape,
    data: Float64Array.from(data),
  });
  const n = WANTED.length;
  const ids = (count: number, seed: number) =>
    randomNumbers(count, seed).map((value) => Math.floor(((value + 1) / 2) * config.vocabularySize));
  const inputs: Record<string, Array64> = {
    tokens: of([ROWS, TOKENS], ids(ROWS * TOKENS, 3)),
    positions: of(
      [ROWS, TOKENS],
      POSITIONS.flatMap((row) => [...row]),
    ),
    mask: of([ROWS, 1, TOKENS, TOKENS], mask),
    spectrum: of(
      [ROWS, 1, length],
      randomNumbers(ROWS * length, 4).map((value) => 1 + 0.5 * value),
    ),
    wanted: of([n], WANTED),
    targets: of([n, 1], ids(n, 5)),
    log_prob_seeds: of([n, 1], randomNumbers(n, 6)),
    reference: of(
      [1, 1, length],
      randomNumbers(length, 8).map((value) => 1 + 0.5 * value),
    ),
    kl_seeds: of([n, 1], randomNumbers(n, 9)),
  };
  const run = (spectrum: Array64, more: Record<string, Array64> = {}) =>
    evaluateGraph(g, { ...inputs, spectrum, ...more }, stored);
  const loss = (spectrum: Array64): number => {
    const values = run(spectrum);
    const weighed = (name: string, seeds: string): number =>
      values.get(name)?.data.reduce((sum, value, i) => sum + value * inputs[seeds]!.data[i]!, 0) ?? 0;
    return weighed('log_probs', 'log_prob_seeds') + weighed('kl', 'kl_seeds');
  };
  return { run, loss, spectrum: inputs.spectrum!, reference: inputs.reference! };
}

function of(shape: readonly number[], data: ArrayLike<number>): Array64 {
  return { shape, data: Float64Array.from(data) };
}

const SMALL = { layers: 1, hiddenSize: 10, feedForwardSize: 7, vocabularySize: 11, contextLength: 8 };
const MODELS: Readonly<Record<string, ModelConfig>> = {
  'grouped heads, tied embeddings': modelConfig({
    ...SMALL,
    heads: 6,
    keyValueHeads: 2,
    headSize: 4,
    tiedEmbeddings: true,
  }),
  'one head of keys, a sliding window, biases': modelConfig({
    ...SMALL,
    heads: 3,
    keyValueHeads: 1,
    headSize: 6,
    slidingWindow: 2,
    attentionBias: true,
    outputBias: true,
    feedForwardBias: true,
  }),
  'normed heads, two layers': modelConfig({
    ...SMALL,
    layers: 2,
    architecture: 'qwen3',
    heads: 2,
    keyValueHeads: 2,
    headSize: 8,
    queryKeyNorm: true,
  }),
};

describe('a gradient graph, evaluated in f64', () => {
  for (const [what, config] of Object.entries(MODELS)) {
    for (const adapt of ['mlp', 'all'] as const) {
      for (const kl of ['none', 'reference_to_policy', 'policy_to_reference'] as const) {
        it(`${what}, ${adapt}, KL ${kl}: every entry is what central differences say`, () => {
          const { run, loss, spectrum } = prepare(config, { adapt, kl });
          const gradient = run(spectrum).get('gradient')!;
          assert.deepEqual(gradient.shape, spectrum.shape);
          const largest = gradient.data.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
          const moved = (i: number, by: number): Array64 => ({
            ...spectrum,
            data: spectrum.data.with(i, spectrum.data[i]! + by),
          });
          // Entries of every matrix in either row: each costs two passes.
          for (let i = 0; i < gradient.data.length; i += 17) {
            const numeric = (loss(moved(i, 1e-5)) - loss(moved(i, -1e-5))) / 2e-5;
            assert.ok(
              Math.abs(numeric - gradient.data[i]!) <= 1e-7 * largest,
              `entry ${i}: ${gradient.data[i]}, differences say ${numeric}`,
            );
          }
        });
      }
    }
  }

  it('the KL and its gradient are zero where the policy is the base', () => {
    for (const kl of ['reference_to_policy', 'policy_to_reference'] as const) {
      const { run, reference } = prepare(MODELS['grouped heads, tied embeddings']!, { adapt: 'all', kl });
      const data = Float64Array.of(...reference.data, ...reference.data);
      const noPolicy = { log_prob_seeds: of([WANTED.length, 1], new Float64Array(WANTED.length)) };
      const values = run({ shape: [ROWS, 1, reference.data.length], data }, noPolicy);
      for (const name of ['kl', 'gradient'])
        assert.ok(values.get(name)!.data.every((value) => Math.abs(value) < 1e-14));
    }
  });
});
