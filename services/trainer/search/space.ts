import type { Mixture } from '#proto/zmesh/v1/common.js';
import type { NormalisationName } from '#shared/svf/model.js';
import { BASE } from '#shared/svf/names.js';

/** What the α of a search stand for. */
export interface SearchSpace {
  /** Arms: `expert@<64 hex digits>`, and `base` last where it is one. */
  readonly arms: readonly string[];
  /** Names of the matrices that have an α of their own; empty = one α an arm. */
  readonly matrices: readonly string[];
  /** Divide α by its sum over the arms. */
  readonly sumToOne: boolean;
  /** The experts' shared normalisation. */
  readonly normalisation: NormalisationName;
}

/** α of a candidate: [arm][matrix], or [arm][0] where α is the same in every matrix. On the grid, ≥ 0. */
export type Alpha = readonly (readonly number[])[];

/**
 * α are rounded to whole multiples of 1/GRID of the largest one: candidates that are the same for all that matters are then
 * the same, and are computed once. Far below what a mixture's answers resolve.
 */
export const GRID = 64;

/** Numbers that a search moves: arms × (matrices or 1). */
export function dimensions({ arms, matrices }: SearchSpace): number {
  return arms.length * columns(matrices);
}

/** Numbers of an arm: its matrices, or 1. */
export function columns(matrices: readonly string[]): number {
  return Math.max(1, matrices.length);
}

/** One column's numbers in a point, by arm. */
export function columnOf(
  { arms, matrices }: SearchSpace,
  point: ArrayLike<number>,
  column: number,
): number[] {
  return arms.map((_, arm) => point[arm * columns(matrices) + column]!);
}

/**
 * The α that a point of the search stands for, in canonical form: divided by their sum over the arms if asked for; under
 * `trace` by their largest in each column, since W' does not change when all α of a matrix are scaled (invariant 2 of
 * arXiv 2501.06252's published code); then rounded. Undefined where all α of a matrix are zero: that is no mixture.
 */
export function alphaOf(space: SearchSpace, point: ArrayLike<number>): Alpha | undefined {
  const width = columns(space.matrices);
  const alpha = space.arms.map(() => new Array<number>(width).fill(0));
  for (let column = 0; column < width; column++) {
    const rounded = columnAlpha(space, columnOf(space, point, column));
    if (!rounded) return undefined;
    rounded.forEach((value, arm) => {
      alpha[arm]![column] = value;
    });
  }
  return alpha;
}

/** α of one column, by arm, as in `alphaOf`; undefined where all are zero. */
export function columnAlpha(
  { sumToOne, normalisation }: SearchSpace,
  own: readonly number[],
): number[] | undefined {
  const sum = own.reduce((total, value) => total + value, 0);
  if (!(sum > 0)) return undefined;
  const scale = normalisation === 'trace' ? Math.max(...own) : sumToOne ? sum : 1;
  const rounded = own.map((value) => Math.round((value / scale) * GRID) / GRID);
  return rounded.every((value) => value === 0) ? undefined : rounded;
}

/** A candidate's key: equal for equal mixtures. */
export function alphaKey(alpha: Alpha): string {
  return alpha.map((row) => row.join(',')).join(';');
}

/**
 * The mixture that α stand for; arms without any weight are left out, and the base alone is the mixture without arms. Where α sum
 * to 1 they do so exactly, not to the grid. With α by matrix, matrices that no expert adapts get shares that sum to 1: they stay as they are.
 */
export function mixtureOf({ arms, matrices, sumToOne }: SearchSpace, alpha: Alpha): Mixture {
  const totals = alpha[0]!.map((_, column) =>
    sumToOne ? alpha.reduce((sum, row) => sum + row[column]!, 0) : 1,
  );
  const used = arms.flatMap((expert, arm) => {
    const row = alpha[arm]!.map((value, column) => value / totals[column]!);
    return row.some((value) => value > 0) ? [{ expert, row }] : [];
  });
  if (used.every(({ expert }) => expert === BASE)) return { arms: [] };
  if (matrices.length === 0)
    return { arms: used.map(({ expert, row }) => ({ expert, alpha: row[0]!, alphaPerMatrix: {} })) };
  const sums = used.map(({ row }) => row.reduce((sum, value) => sum + value, 0));
  const total = sums.reduce((sum, value) => sum + value, 0);
  return {
    arms: used.map(({ expert, row }, i) => ({
      expert,
      alpha: sums[i]! / total,
      alphaPerMatrix: Object.fromEntries(matrices.map((name, column) => [name, row[column]!])),
    })),
  };
}

/** α with one arm alone. */
export function oneArm({ arms, matrices }: SearchSpace, arm: number): Alpha {
  return arms.map((_, i) => new Array<number>(columns(matrices)).fill(i === arm ? 1 : 0));
}

/** α with the same weight for some arms. */
export function evenly({ arms, matrices, normalisation }: SearchSpace, which: readonly number[]): Alpha {
  const weight = normalisation === 'trace' ? 1 : 1 / which.length;
  return arms.map((_, i) => new Array<number>(columns(matrices)).fill(which.includes(i) ? weight : 0));
}
