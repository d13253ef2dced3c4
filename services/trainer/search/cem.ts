import type { RandomStream } from '#shared/random.js';
import { drawStream, normals } from '../draws.js';
import {
  type Alpha,
  alphaKey,
  alphaOf,
  columnAlpha,
  columnOf,
  columns,
  dimensions,
  GRID,
  type SearchSpace,
} from './space.js';

/** Settings of the cross-entropy method. */
export interface CemSettings {
  readonly population: number;
  /** Share of the candidates that form the next distribution; their number is rounded down, at least 1. */
  readonly eliteFraction: number;
  readonly generations: number;
  /** Smallest standard deviation of each number, against collapse. */
  readonly noiseFloor: number;
  /** Weight of the last distribution in the next one, [0, 1). */
  readonly smoothing: number;
  readonly seed: bigint;
}

/** How good a candidate is. */
export interface Fitness {
  /** Share of right answers, [0, 1]. */
  readonly score: number;
  /** Mean log-likelihood a token of the references; undefined without references. */
  readonly logLikelihood: number | undefined;
}

/** A candidate and its fitness. */
export interface Scored {
  readonly point: readonly number[];
  readonly alpha: Alpha;
  readonly fitness: Fitness;
}

/** A search between two generations: all that decides what comes next. */
export interface CemState {
  /** Generations done. */
  readonly generation: number;
  readonly mean: readonly number[];
  readonly deviation: readonly number[];
  /** The best candidate seen; undefined before the first generation. */
  readonly best: Scored | undefined;
  /** True where the likelihood of the references decides who generates, as the first generation showed that it may. Default false. */
  readonly prunes?: boolean | undefined;
  /** True when every elite of the last generation has every example right. Default false. */
  readonly perfect?: boolean;
  /** Where it prunes: keys of the candidates that answered in this search. What other searches know of the others does not count here. */
  readonly answered?: readonly string[] | undefined;
  /** How it went, a point a generation. Default none. */
  readonly curve?: readonly CurvePoint[];
}

/** A search after one generation. */
export interface CurvePoint {
  /** The best candidate seen so far. */
  readonly best: Fitness;
  /** Standard deviation of the next distribution, its mean over all numbers. */
  readonly deviation: number;
}

/** Draws of a column whose α are all zero before the mean is taken instead. */
const DRAWS_MAX = 20;

/** The start: mean 1/K for K arms, standard deviation half of the bounds' width (published code, optim_modules.py). */
export function beginCem(space: SearchSpace): CemState {
  const size = dimensions(space);
  return {
    generation: 0,
    mean: new Array<number>(size).fill(1 / space.arms.length),
    deviation: new Array<number>(size).fill(0.5),
    best: undefined,
  };
}

/**
 * The candidates of the next generation: x = clamp(μ + s·N(0,1), 0, 1); the best one seen takes the first place. Draws depend
 * on the seed, the generation and the place alone, so that searches on different examples begin with the same candidates.
 */
export function candidatesOf(
  space: SearchSpace,
  { population, seed }: CemSettings,
  state: CemState,
): { readonly point: readonly number[]; readonly alpha: Alpha }[] {
  const all = Array.from({ length: population }, (_, index) => {
    const stream = drawStream({ seed, step: state.generation, purpose: 'cem', index });
    return draw(space, state, stream);
  });
  if (state.best) all[0] = state.best;
  return all;
}

/** A point and its α. A column whose α are all zero is drawn again, alone: of many matrices one nearly always is. */
function draw(
  space: SearchSpace,
  { mean, deviation }: CemState,
  stream: RandomStream,
): { readonly point: readonly number[]; readonly alpha: Alpha } {
  const width = columns(space.matrices);
  const value = (i: number, noise: number): number =>
    Math.min(1, Math.max(0, mean[i]! + deviation[i]! * noise));
  const point = Array.from(normals(stream, mean.length), (noise, i) => value(i, noise));
  for (let column = 0; column < width; column++) {
    const empty = (): boolean => columnAlpha(space, columnOf(space, point, column)) === undefined;
    for (let again = 1; again < DRAWS_MAX && empty(); again++) {
      normals(stream, space.arms.length).forEach((noise, arm) => {
        point[arm * width + column] = value(arm * width + column, noise);
      });
    }
    if (!empty()) continue;
    for (let i = column; i < point.length; i += width) point[i] = Math.max(mean[i]!, 1 / GRID);
  }
  return { point, alpha: alphaOf(space, point)! };
}

/**
 * The state after a generation: elites by score, ties by log-likelihood, then by their place; mean and (unbiased) standard
 * deviation of the elites, smoothed with the last ones; the deviation does not fall below the floor.
 */
export function afterGeneration(
  { population, eliteFraction, smoothing, noiseFloor }: CemSettings,
  state: CemState,
  scored: readonly Scored[],
): CemState {
  const ranked = [...scored].sort((a, b) => compareFitness(b.fitness, a.fitness));
  const elites = ranked.slice(0, Math.max(1, Math.floor(eliteFraction * population)));
  const mix = (next: number, last: number): number => (1 - smoothing) * next + smoothing * last;
  const means = state.mean.map((_, i) => mean(elites.map(({ point }) => point[i]!)));
  const deviations = state.deviation.map((last, i) => {
    const spread = deviation(
      elites.map(({ point }) => point[i]!),
      means[i]!,
    );
    return Math.max(noiseFloor, mix(spread, last));
  });
  const top = ranked[0]!;
  const best = state.best && compareFitness(top.fitness, state.best.fitness) <= 0 ? state.best : top;
  return {
    generation: state.generation + 1,
    mean: means.map((value, i) => mix(value, state.mean[i]!)),
    deviation: deviations,
    perfect: elites.every(({ fitness }) => fitness.score === 1),
    best,
    curve: [...(state.curve ?? []), { best: best.fitness, deviation: mean(deviations) }],
  };
}

/** Above 0 if `a` is better: more right answers, then likelier references. */
export function compareFitness(a: Fitness, b: Fitness): number {
  if (a.score !== b.score) return a.score - b.score;
  return (a.logLikelihood ?? 0) - (b.logLikelihood ?? 0);
}

/** Candidates with each mixture once, in order. */
export function distinct<T extends { readonly alpha: Alpha }>(candidates: readonly T[]): T[] {
  const seen = new Set<string>();
  return candidates.filter(({ alpha }) => {
    const key = alphaKey(alpha);
    if (seen.has(key)) return false;
    seen.add(key);
    return true;
  });
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

function deviation(values: readonly number[], centre: number): number {
  if (values.length < 2) return 0;
  const squares = values.reduce((sum, value) => sum + (value - centre) ** 2, 0);
  return Math.sqrt(squares / (values.length - 1));
}
