import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ModelProto, TensorProto_DataLocation } from '#proto/onnx/onnx.js';
import { encodeModel } from '#services/inference/graph/encode.js';
import { spectrumLength } from '#services/inference/graph/model-weights.js';
import { servingGraph } from '#services/inference/graph/serving.js';
import { canonicalWeights } from '#services/inference/model/canonical.js';
import type { ModelConfig } from '#services/inference/model/prepared.js';
import { modelConfig } from './model-config.js';
import { filesOf, preparedModel } from './prepared-model.js';

/** The encoded graph, decoded again, with the locations of its external tensors. */
function build(config: ModelConfig, adapt: 'mlp' | 'all' | 'none') {
  const model = preparedModel(config, adapt);
  const graph = servingGraph({ model, weights: filesOf(model), pageTokens: 16 });
  const decoded = ModelProto.decode(encodeModel(graph, 'test')).graph!;
  const external = decoded.initializer.filter(
    ({ dataLocation }) => dataLocation === TensorProto_DataLocation.EXTERNAL,
  );
  const locations = external.map(
    ({ externalData }) => externalData.find(({ key }) => key === 'location')!.value,
  );
  return { model, decoded, external, locations };
}

const ARCHITECTURES: [string, Partial<ModelConfig>][] = [
  ['llama', {}],
  ['llama with every bias', { attentionBias: true, outputBias: true, feedForwardBias: true }],
  ['qwen2', { architecture: 'qwen2', attentionBias: true }],
  ['qwen3', { architecture: 'qwen3', queryKeyNorm: true }],
  ['tied embeddings', { tiedEmbeddings: true }],
];

describe('the serving graph', () => {
  for (const [name, changes] of ARCHITECTURES) {
    it(`reads every weight of the checkpoint exactly once, and no other: ${name}`, () => {
      const config = modelConfig(changes);
      const { locations } = build(config, 'none');
      assert.deepEqual(
        locations.toSorted(),
        canonicalWeights(config)
          .map((weight) => weight.name)
          .toSorted(),
      );
    });
  }

  it('reads the factors in place of an adapted matrix', () => {
    const { locations, model } = build(modelConfig(), 'mlp');
    for (const { name } of model.adapted) {
      assert.ok(
        locations.includes(`${name}/u`) && locations.includes(`${name}/vt`) && !locations.includes(name),
      );
    }
    assert.equal(model.adapted.length, 6);
    assert.ok(locations.includes('model.layers.0.self_attn.q_proj.weight'));
  });

  it('has a packed spectrum as long as all ranks, and none where nothing is adapted', () => {
    const config = modelConfig();
    const shape = (adapt: 'all' | 'none') =>
      build(config, adapt)
        .decoded.input.find(({ name }) => name === 'spectrum')
        ?.type?.value?.value.shape?.dim.map(({ value }) => value?.value);
    // A layer: q 24, k 12, v 12, o 24, gate 24, up 24, down 24.
    assert.equal(spectrumLength(preparedModel(config, 'all')), 2 * 144);
    assert.deepEqual(shape('all'), ['batch', 1n, 288n]);
    assert.equal(shape('none'), undefined);
  });

  it('keeps weights out of the file: location, offset and length instead', () => {
    const { external } = build(modelConfig(), 'all');
    for (const { externalData, rawData, dims } of external) {
      const fields = new Map(externalData.map(({ key, value }) => [key, value]));
      assert.equal(fields.get('offset'), '128');
      assert.equal(fields.get('length'), String(4n * dims.reduce((a, b) => a * b, 1n)));
      assert.equal(rawData.length, 0);
    }
  });

  it('names the weight that a folder lacks', () => {
    const model = preparedModel(modelConfig({ queryKeyNorm: true }), 'none');
    const weights = filesOf(model);
    weights.plain.delete('model.layers.1.self_attn.k_norm.weight');
    assert.throws(
      () => servingGraph({ model, weights, pageTokens: 16 }),
      /holds model\.layers\.1\.self_attn\.k_norm\.weight/,
    );
  });
});
