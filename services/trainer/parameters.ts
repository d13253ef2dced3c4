import type { RandomStream } from '#shared/random.js';
import { normals } from './draws.js';

/**
 * How a parameter p makes its multiplier m: `sigmoid`: m = 1/(1 + e^−p), in (0, 1), as the published code;
 * `direct`: m = p, as the paper, kept at or above 0. `free`: m = p of either sign, for parameters that are no multipliers
 * (the evidence's LoRA baseline); no run can be asked for it.
 */
export type Parameterisation = 'sigmoid' | 'direct' | 'free';

/** Where training starts. */
export interface Initialisation {
  readonly parameterisation: Parameterisation;
  readonly mean: number;
  /** Standard deviation around the mean, ≥ 0. */
  readonly standardDeviation: number;
}

/** p = mean + standardDeviation · N(0, 1), projected onto what the parameterisation allows. */
export function initialParameters(size: number, init: Initialisation, stream: RandomStream): Float64Array {
  const noise = normals(stream, size);
  return project(
    noise.map((value) => init.mean + init.standardDeviation * value),
    init.parameterisation,
  );
}

/** The multipliers m of parameters p. */
export function multipliersOf(parameters: Float64Array, parameterisation: Parameterisation): Float64Array {
  return parameterisation === 'sigmoid' ? parameters.map(sigmoid) : parameters.slice();
}

/** d loss / d p from d loss / d m at the same p: times m·(1 − m) under `sigmoid`, times 1 otherwise. */
export function chain(
  gradient: Float64Array,
  parameters: Float64Array,
  parameterisation: Parameterisation,
): Float64Array {
  if (parameterisation !== 'sigmoid') return gradient.slice();
  return gradient.map((value, i) => {
    const m = sigmoid(parameters[i]!);
    return value * m * (1 - m);
  });
}

/** The nearest allowed parameters: `direct` ones are clamped at 0, since multipliers are never negative. */
export function project(parameters: Float64Array, parameterisation: Parameterisation): Float64Array {
  return parameterisation === 'direct' ? parameters.map((value) => Math.max(0, value)) : parameters;
}

function sigmoid(x: number): number {
  return 1 / (1 + Math.exp(-x));
}
