import assert from 'node:assert/strict';

/** State of a search. All vectors have the search space's dimension n and are never changed in place. */
export interface SepCma {
  readonly mean: Float64Array;
  /** Diagonal of the covariance C. */
  readonly variances: Float64Array;
  /** Evolution path of the step size. */
  readonly stepPath: Float64Array;
  /** Evolution path of the covariance. */
  readonly covariancePath: Float64Array;
  /** σ: candidates are mean + σ·√C·z. */
  readonly stepSize: number;
  /** Generations done. */
  readonly generation: number;
}

/** A search around a mean, with the same spread in every direction. */
export function beginSearch(mean: Float64Array, stepSize: number): SepCma {
  const n = mean.length;
  return {
    mean,
    variances: new Float64Array(n).fill(1),
    stepPath: new Float64Array(n),
    covariancePath: new Float64Array(n),
    stepSize,
    generation: 0,
  };
}

/** The usual population for n dimensions: 4 + ⌊3·ln n⌋. */
export function usualPopulation(n: number): number {
  return 4 + Math.floor(3 * Math.log(n));
}

/** The candidate of a standard normal vector z. */
export function candidate({ mean, variances, stepSize }: SepCma, z: Float64Array): Float64Array {
  return mean.map((centre, i) => centre + stepSize * Math.sqrt(variances[i]!) * z[i]!);
}

/**
 * One generation of sep-CMA-ES, the CMA-ES with a diagonal covariance (R. Ros and N. Hansen, PPSN X, 2008: defaults of
 * its table 1, with the covariance learnt (n + 2)/3 times as fast). Candidates of equal fitness share their ranks' weights, so that
 * the order they were asked in does not count.
 * @param zs the candidates' normal vectors. @param fitness of each, larger is better.
 */
export function nextGeneration(
  search: SepCma,
  zs: readonly Float64Array[],
  fitness: readonly number[],
): SepCma {
  assert(zs.length === fitness.length && zs.length >= 2, 'a fitness for each of two or more candidates');
  const n = search.mean.length;
  const weights = rankWeights(fitness);
  const rates = learningRates(n, zs.length);
  const step = weightedSum(weights, zs, (z) => z);
  const stepPath = blend(
    search.stepPath,
    step,
    1 - rates.step,
    Math.sqrt(rates.step * (2 - rates.step) * rates.mass),
  );
  const length = Math.sqrt(stepPath.reduce((sum, value) => sum + value * value, 0));
  const settled = Math.sqrt(1 - (1 - rates.step) ** (2 * (search.generation + 1)));
  const stalled = length / settled >= (1.4 + 2 / (n + 1)) * rates.expected;
  const move = step.map((value, i) => value * Math.sqrt(search.variances[i]!));
  const pull = stalled ? 0 : Math.sqrt(rates.path * (2 - rates.path) * rates.mass);
  const covariancePath = blend(search.covariancePath, move, 1 - rates.path, pull);
  const spread = weightedSum(weights, zs, (z, i) => z * z * search.variances[i]!);
  const one = rates.covariance / rates.mass;
  const many = rates.covariance * (1 - 1 / rates.mass);
  return {
    mean: search.mean.map((centre, i) => centre + search.stepSize * move[i]!),
    variances: search.variances.map(
      (variance, i) => (1 - rates.covariance) * variance + one * covariancePath[i]! ** 2 + many * spread[i]!,
    ),
    stepPath,
    covariancePath,
    stepSize: search.stepSize * Math.exp((rates.step / rates.damping) * (length / rates.expected - 1)),
    generation: search.generation + 1,
  };
}

/** Weights of the better half, by rank: ∝ ln(μ + 1) − ln i; they sum to 1. */
function recombination(population: number): number[] {
  const parents = Math.floor(population / 2);
  const raw = Array.from({ length: parents }, (_, i) => Math.log(parents + 1) - Math.log(i + 1));
  const total = raw.reduce((sum, weight) => sum + weight, 0);
  return Array.from({ length: population }, (_, i) => (i < parents ? raw[i]! / total : 0));
}

/** Each candidate's weight; equal ones share. */
function rankWeights(fitness: readonly number[]): number[] {
  const byRank = recombination(fitness.length);
  const order = fitness.map((_, i) => i).sort((a, b) => fitness[b]! - fitness[a]! || a - b);
  const weights = new Array<number>(fitness.length).fill(0);
  for (let start = 0; start < order.length; ) {
    let end = start;
    while (end < order.length && fitness[order[end]!] === fitness[order[start]!]) end++;
    const share = byRank.slice(start, end).reduce((sum, weight) => sum + weight, 0) / (end - start);
    for (const i of order.slice(start, end)) weights[i] = share;
    start = end;
  }
  return weights;
}

interface Rates {
  /** Variance-effective mass of the parents, μ_w. */
  readonly mass: number;
  readonly step: number;
  readonly damping: number;
  readonly path: number;
  readonly covariance: number;
  /** Expected length of a standard normal vector of n dimensions. */
  readonly expected: number;
}

function learningRates(n: number, population: number): Rates {
  const mass = 1 / recombination(population).reduce((sum, weight) => sum + weight * weight, 0);
  const step = (mass + 2) / (n + mass + 3);
  const full =
    (1 / mass) * (2 / (n + Math.SQRT2) ** 2) +
    (1 - 1 / mass) * Math.min(1, (2 * mass - 1) / ((n + 2) ** 2 + mass));
  return {
    mass,
    step,
    damping: 1 + 2 * Math.max(0, Math.sqrt((mass - 1) / (n + 1)) - 1) + step,
    path: 4 / (n + 4),
    covariance: Math.min(1, ((n + 2) / 3) * full),
    expected: Math.sqrt(n) * (1 - 1 / (4 * n) + 1 / (21 * n * n)),
  };
}

function weightedSum(
  weights: readonly number[],
  vectors: readonly Float64Array[],
  of: (value: number, i: number) => number,
): Float64Array {
  const sum = new Float64Array(vectors[0]!.length);
  for (const [k, vector] of vectors.entries()) {
    const weight = weights[k]!;
    if (weight !== 0) for (let i = 0; i < sum.length; i++) sum[i]! += weight * of(vector[i]!, i);
  }
  return sum;
}

function blend(a: Float64Array, b: Float64Array, ofA: number, ofB: number): Float64Array {
  return a.map((value, i) => ofA * value + ofB * b[i]!);
}
