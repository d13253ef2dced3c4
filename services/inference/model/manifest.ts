import type { ModelManifest } from '#proto/zmesh/v1/expert_registry.js';
import type { PreparedModel } from './prepared.js';

/**
 * The manifest that the registry checks experts against: every linear with its shape, and σ (f64, little-endian) of those
 * that are decomposed here.
 * @param sigma by weight name, as `loadSigma` gives it.
 */
export function toManifest(model: PreparedModel, sigma: ReadonlyMap<string, Float64Array>): ModelManifest {
  return {
    name: model.name,
    fingerprint: model.fingerprint,
    basisId: model.basisId,
    architecture: model.config.architecture,
    parameters: BigInt(model.parameters),
    matrices: model.linears.map(({ name, rows, columns }) => ({
      name,
      rows,
      columns,
      singularValues: bytesOf(sigma.get(name) ?? new Float64Array(0)),
    })),
  };
}

function bytesOf(values: Float64Array): Uint8Array {
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength).slice();
}
