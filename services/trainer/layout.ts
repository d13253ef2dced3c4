import assert from 'node:assert/strict';
import { ZmeshError } from '#shared/errors.js';
import type { Expert, SpectralMatrix } from '#shared/svf/model.js';

/** Multipliers m ≥ 0 by weight name, in the order of falling σ; a matrix that is not there counts as m = 1. */
export type Multipliers = Expert['multipliers'];

/** One matrix's place in a packed vector of parameters. */
export interface Slot {
  /** The checkpoint's weight name. */
  readonly name: string;
  readonly offset: number;
  /** The matrix's rank. */
  readonly length: number;
}

/** The trained matrices, one after another. */
export interface Layout {
  readonly slots: readonly Slot[];
  /** Parameters in all. */
  readonly size: number;
}

/** Names of groups of matrices. */
const GROUPS = ['all', 'mlp', 'attention'];

/**
 * Lays the chosen matrices out in the model's order. `choice` is comma separated: `all`, `mlp` (weights with "mlp" in their
 * name), `attention` (the others) or weight names. Throws UNKNOWN_MATRIX for a name that the model does not adapt, and
 * INVALID_FIELD if nothing is left to train.
 */
export function layoutOf(model: readonly SpectralMatrix[], choice: string): Layout {
  const wanted = new Set(choice.split(',').map((name) => name.trim()));
  const unknown = [...wanted].find(
    (name) => !GROUPS.includes(name) && !model.some((matrix) => matrix.name === name),
  );
  if (unknown !== undefined)
    throw new ZmeshError('UNKNOWN_MATRIX', `matrices: the model does not adapt "${unknown}" here`, {
      field: 'settings.matrices',
      names: { matrix: unknown },
    });
  const chosen = model.filter(
    ({ name }) =>
      wanted.has('all') || wanted.has(name) || wanted.has(name.includes('mlp') ? 'mlp' : 'attention'),
  );
  if (chosen.length === 0)
    throw new ZmeshError('INVALID_FIELD', `matrices: the model adapts no ${choice} matrix`, {
      field: 'settings.matrices',
      value: choice,
    });
  return packed(chosen.map(({ name, sigma }) => ({ name, length: sigma.length })));
}

/** Lays matrices of given lengths out one after another. */
export function packed(matrices: readonly { readonly name: string; readonly length: number }[]): Layout {
  let size = 0;
  const slots = matrices.map(({ name, length }) => {
    const slot = { name, offset: size, length };
    size += length;
    return slot;
  });
  return { slots, size };
}

/** A packed vector cut into one f32 vector a matrix. */
export function unpack(layout: Layout, packedVector: Float64Array): Multipliers {
  return new Map(
    layout.slots.map(({ name, offset, length }) => [
      name,
      Float32Array.from(packedVector.subarray(offset, offset + length)),
    ]),
  );
}

/** Vectors by matrix packed into one; every matrix of the layout must be there with its length. */
export function pack(layout: Layout, vectors: ReadonlyMap<string, ArrayLike<number>>): Float64Array {
  const out = new Float64Array(layout.size);
  for (const { name, offset, length } of layout.slots) {
    const vector = vectors.get(name);
    assert(vector?.length === length, `${name}: ${vector?.length} values for a rank of ${length}`);
    out.set(vector, offset);
  }
  return out;
}
