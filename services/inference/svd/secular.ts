import { EPSILON } from './eigen.js';

/** Iterations per root; four are usual, and bisection alone would need about 60. */
const ITERATIONS_MAX = 100;

/** The secular equation 1/ρ + Σ weights[j] / (poles[j] − x) = 0; poles strictly rising, weights > 0, ρ > 0. */
export interface SecularEquation {
  readonly poles: Float64Array;
  /** z², one per pole. */
  readonly weights: Float64Array;
  readonly rho: number;
}

/** Roots of a secular equation of K poles. */
export interface SecularRoots {
  /** [K], rising; root i lies between pole i and pole i + 1. */
  readonly roots: Float64Array;
  /** [K, K]: entry (i, j) is poles[j] − roots[i], to full relative accuracy. */
  readonly differences: Float64Array;
}

/**
 * Solves a secular equation by the middle-way rational iteration with a bisection guard (R.-C. Li, "Solving secular
 * equations stably and efficiently", LAPACK working note 89). Each root is found as a distance from its nearer pole,
 * which is what keeps the differences accurate.
 */
export function solveSecular(equation: SecularEquation): SecularRoots {
  const { poles, weights, rho } = equation;
  const count = poles.length;
  const roots = new Float64Array(count);
  const differences = new Float64Array(count * count);
  if (count === 1) {
    roots[0] = poles[0]! + rho * weights[0]!;
    differences[0] = -rho * weights[0]!;
    return { roots, differences };
  }
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  for (let i = 0; i < count; i++) {
    const start = bracket(equation, i, total);
    const distances = differences.subarray(i * count, (i + 1) * count);
    for (let j = 0; j < count; j++) distances[j] = poles[j]! - poles[start.origin]!;
    const offset = iterate(equation, distances, start);
    roots[i] = poles[start.origin]! + offset;
    for (let j = 0; j < count; j++) distances[j] = distances[j]! - offset;
  }
  return { roots, differences };
}

/** Where a root is sought, measured from its origin, the nearer of its two poles. */
interface Bracket {
  readonly origin: number;
  /** The first of the two poles that the rational model keeps. */
  readonly pole: number;
  readonly last: boolean;
  readonly low: number;
  readonly high: number;
  /** A point between low and high at which the function's value is known. */
  readonly middle: number;
  readonly value: number;
}

/** Halves the interval of root i and takes the pole on the root's side as origin. */
function bracket({ poles, weights, rho }: SecularEquation, i: number, total: number): Bracket {
  const count = poles.length;
  const last = i === count - 1;
  const gap = last ? rho * total : poles[i + 1]! - poles[i]!;
  const half = gap / 2;
  let value = 1 / rho;
  for (let j = 0; j < count; j++) value += weights[j]! / (poles[j]! - poles[i]! - half);
  const pole = last ? count - 2 : i;
  if (value >= 0) return { origin: i, pole, last, low: 0, high: half, middle: half, value };
  if (last) return { origin: i, pole, last, low: half, high: gap, middle: half, value };
  return { origin: i + 1, pole, last, low: -half, high: 0, middle: -half, value };
}

/** The root's offset from the origin. `distances` are the poles' offsets from it. */
function iterate({ weights, rho }: SecularEquation, distances: Float64Array, start: Bracket): number {
  const count = weights.length;
  const { pole } = start;
  let { low, high } = start;
  let x = firstGuess(weights, distances, start);
  for (let iteration = 0; iteration < ITERATIONS_MAX; iteration++) {
    let below = 0;
    let belowSlope = 0;
    let above = 0;
    let aboveSlope = 0;
    for (let j = 0; j <= pole; j++) {
      const inverse = 1 / (distances[j]! - x);
      const term = weights[j]! * inverse;
      below += term;
      belowSlope += term * inverse;
    }
    for (let j = pole + 1; j < count; j++) {
      const inverse = 1 / (distances[j]! - x);
      const term = weights[j]! * inverse;
      above += term;
      aboveSlope += term * inverse;
    }
    const value = 1 / rho + below + above;
    const slope = belowSlope + aboveSlope;
    const noise = 8 * EPSILON * (Math.abs(below) + Math.abs(above) + 1 / rho) + EPSILON * Math.abs(x) * slope;
    if (Math.abs(value) <= noise) break;
    if (value < 0) low = x;
    else high = x;
    const near = distances[pole]! - x;
    const far = distances[pole + 1]! - x;
    let next = x + modelStep(near, far, value, belowSlope, aboveSlope, start.last);
    if (!(next > low && next < high)) next = (low + high) / 2;
    const settled = high - low <= 2 * EPSILON * Math.max(Math.abs(low), Math.abs(high));
    if (next === x || settled) return next;
    x = next;
  }
  return x;
}

/** The root of the model that keeps two poles and freezes the other terms at the middle; else the interval's middle. */
function firstGuess(weights: Float64Array, distances: Float64Array, start: Bracket): number {
  const { pole, low, high, middle, value } = start;
  const p = distances[pole]!;
  const q = distances[pole + 1]!;
  const wp = weights[pole]!;
  const wq = weights[pole + 1]!;
  const rest = value - wp / (p - middle) - wq / (q - middle);
  // rest·(p − x)(q − x) + wp·(q − x) + wq·(p − x) = 0
  const linear = rest * (p + q) + wp + wq;
  const free = rest * p * q + wp * q + wq * p;
  const root = Math.sqrt(Math.max(0, linear * linear - 4 * rest * free));
  const big = (linear + (linear >= 0 ? root : -root)) / 2;
  for (const x of [big / rest, free / big]) if (x > low && x < high) return x;
  return (low + high) / 2;
}

/** The middle way's step: a rational model with two poles that has the function's value and both slopes at x. */
function modelStep(
  near: number,
  far: number,
  value: number,
  nearSlope: number,
  farSlope: number,
  last: boolean,
): number {
  const slope = nearSlope + farSlope;
  const c = value - near * nearSlope - far * farSlope;
  const a = (near + far) * value - near * far * slope;
  const b = near * far * value;
  const root = Math.sqrt(Math.max(0, a * a - 4 * b * c));
  const minus = last ? a < 0 : a > 0;
  let step: number;
  if (last) step = minus ? (2 * b) / (a - root) : (a + root) / (2 * c);
  else step = minus ? (2 * b) / (a + root) : (a - root) / (2 * c);
  // The function rises, so a step against its sign is a step of rounding: take Newton's.
  return value * step < 0 ? step : -value / slope;
}
