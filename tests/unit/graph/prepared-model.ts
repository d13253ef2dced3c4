import type { StoredTensor } from '#services/inference/graph/builder.js';
import { adaptedLinears, canonicalLinears, canonicalWeights } from '#services/inference/model/canonical.js';
import type { ModelConfig, PreparedModel } from '#services/inference/model/prepared.js';

/** A prepared model as far as graphs look at it. */
export function preparedModel(config: ModelConfig, adapt: 'mlp' | 'all' | 'none'): PreparedModel {
  return {
    format: 1,
    name: 'test',
    config,
    fingerprint: '',
    basisId: '',
    parameters: 0,
    adapted: adapt === 'none' ? [] : adaptedLinears(config, adapt),
    linears: canonicalLinears(config),
    eosTokenIds: [],
    bosTokenId: null,
    classificationSystem: null,
    reconstructionError: 0,
    source: { folder: '', preparedAt: '' },
  };
}

/** Files in which every tensor has a location named for it. */
export function filesOf(model: PreparedModel) {
  const stored = (location: string, shape: readonly number[]): StoredTensor => ({
    shape,
    location,
    offset: 128,
    bytes: 4 * shape.reduce((a, b) => a * b, 1),
  });
  const adapted = new Set(model.adapted.map(({ name }) => name));
  const plain = canonicalWeights(model.config).filter(({ name }) => !adapted.has(name));
  return {
    plain: new Map(plain.map(({ name, shape }) => [name, stored(name, shape)])),
    factors: new Map(
      model.adapted.map(({ name, rows, columns }) => {
        const rank = Math.min(rows, columns);
        return [name, { u: stored(`${name}/u`, [rows, rank]), vt: stored(`${name}/vt`, [rank, columns]) }];
      }),
    ),
  };
}
