import { ZmeshError } from '../errors.js';
import type { Expert } from '../svf/model.js';
import { checkVectors, type Ranks } from '../svf/vectors.js';
import { readTorchVectors } from '../torch/state-dict.js';

/** Names that a saved `Policy.state_dict()` has: numbers in the order of the model's own state. */
const NUMBERED = /^learnable_params_module_list\.(\d+)$/;
/** Order of a layer's MLP matrices in that state. */
const PARTS = ['gate_proj', 'up_proj', 'down_proj'];

/**
 * An expert from a file of the published code (SakanaAI/self-adaptive-llms): `learnable_params*.pt` (weight name → raw p) or its
 * policy's state (numbered). The code serves with m = sigmoid(p) and scales to the trace, so that is what the expert holds.
 * It computes in bf16; here sigmoid is exact, within bf16's half unit of what the code multiplies by.
 * @param ranks rank of each adapted matrix of the model that the expert is for.
 * Throws INVALID_FIELD for a file that is none or has parameters that are not finite, UNKNOWN_MATRIX and WRONG_SHAPE where they
 * are not the model's.
 */
export function readOfficialParameters(bytes: Uint8Array, ranks: Ranks, field = 'vectors'): Expert {
  const raw = readTorchVectors(bytes, field);
  const named = [...raw.keys()].every((name) => NUMBERED.test(name)) ? nameNumbered(raw, ranks, field) : raw;
  const multipliers = new Map<string, Float32Array>();
  for (const [name, parameters] of named) {
    const bad = parameters.findIndex((p) => !Number.isFinite(p));
    if (bad >= 0)
      throw new ZmeshError(
        'INVALID_FIELD',
        `parameter ${bad} of ${name} is ${parameters[bad]}; it must be finite`,
        {
          field,
          names: { matrix: name },
        },
      );
    multipliers.set(
      name,
      parameters.map((p) => 1 / (1 + Math.exp(-p))),
    );
  }
  checkVectors(multipliers, ranks);
  return { normalisation: 'trace', multipliers };
}

function nameNumbered(
  raw: ReadonlyMap<string, Float32Array>,
  ranks: Ranks,
  field: string,
): Map<string, Float32Array> {
  const names = officialOrder([...ranks.keys()]);
  if (raw.size !== names.length)
    throw new ZmeshError(
      'INVALID_FIELD',
      `the file numbers ${raw.size} vectors; the model adapts ${names.length} MLP matrices`,
      { field, limit: names.length, value: raw.size },
    );
  return new Map(
    names.map((name, index) => {
      const vector = raw.get(`learnable_params_module_list.${index}`);
      if (!vector)
        throw new ZmeshError('INVALID_FIELD', `the file has no vector number ${index}`, {
          field,
          value: index,
        });
      return [name, vector];
    }),
  );
}

/** The MLP matrices layer by layer, gate, up and down in each, as the published code meets them. */
function officialOrder(names: readonly string[]): string[] {
  const place = (name: string): number => {
    const [, layer, part] = /\.(\d+)\.mlp\.(\w+)\./.exec(name) ?? [];
    return Number(layer) * PARTS.length + PARTS.indexOf(part ?? '');
  };
  return names.filter((name) => name.includes('mlp')).sort((a, b) => place(a) - place(b));
}
