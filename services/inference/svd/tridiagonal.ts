import type { Gemm } from './gemm.js';
import { giveBackWorkspace, PANEL_WIDTH, type PanelWorkspace, takeWorkspace } from './panel-workspace.js';
import { transpose } from './transpose.js';

/** A panel of Householder reflections H = I − τ·v·vᵀ that act on the rows `row … row + length`. */
export interface ReflectorPanel {
  readonly row: number;
  readonly length: number;
  readonly width: number;
  /** [width, length]: reflector k is row k. */
  readonly reflectors: Float64Array;
  /** [width]; 0 = the reflection is the identity. */
  readonly tau: Float64Array;
}

/** A = Q·T·Qᵀ with T symmetric tridiagonal; Q is the product of the panels' reflections in order. */
export interface Tridiagonal {
  /** [n] */
  readonly diagonal: Float64Array;
  /** [n]; entry i couples i and i + 1, the last one is 0. */
  readonly offDiagonal: Float64Array;
  readonly panels: readonly ReflectorPanel[];
}

/**
 * Reduces a symmetric matrix [n, n] to tridiagonal form by blocked Householder reflections (LAPACK's dsytrd with dlatrd;
 * Dongarra, Hammarling & Sorensen, 1989): half of the work is matrix times vector, the other half products.
 */
export async function tridiagonalise(matrix: Float64Array, n: number, gemm: Gemm): Promise<Tridiagonal> {
  const result = {
    diagonal: new Float64Array(n),
    offDiagonal: new Float64Array(n),
    panels: [] as ReflectorPanel[],
  };
  const space = takeWorkspace(n);
  space.matrix.set(matrix);
  const scratch = new Float64Array(Math.max(2, n - PANEL_WIDTH) ** 2);
  let order = n;
  while (order > 2) {
    const width = Math.min(PANEL_WIDTH, order - 2);
    result.panels.push(reducePanel(space, order, width, result));
    await updateTrailing(space, order, width, { gemm, scratch });
    order -= width;
  }
  const last = n - order;
  result.diagonal[last] = space.matrix[0]!;
  if (order === 2) {
    result.offDiagonal[last] = space.matrix[2]!;
    result.diagonal[last + 1] = space.matrix[3]!;
  }
  giveBackWorkspace(space);
  return result;
}

/** Reduces the first `width` columns of the trailing matrix, leaving v and w of every reflection in the panel's rows. */
function reducePanel(
  space: PanelWorkspace,
  order: number,
  width: number,
  result: Tridiagonal,
): ReflectorPanel {
  const { matrix, panel, stride, v, y, factors } = space;
  const tau = new Float64Array(width);
  const n = result.diagonal.length;
  for (let j = 0; j < width; j++) {
    // Column j under the updates of the panel's reflections so far, in y.
    y.fill(0);
    y.set(matrix.subarray(j * order + j, (j + 1) * order), j);
    for (let k = 0; k < 2 * j; k++) factors[k] = -panel[(k ^ 1) * stride + j]!;
    subtractPanel(space, order, j, j);
    result.diagonal[n - order + j] = y[j]!;
    result.offDiagonal[n - order + j] = reflect(y, j + 1, order, v, tau, j);
    panel.set(v, 2 * j * stride);
    symmetricTimesVector(space, order, j, tau[j]!);
    panel.set(y, (2 * j + 1) * stride);
  }
  const length = order - 1;
  const reflectors = new Float64Array(width * length);
  for (let k = 0; k < width; k++)
    reflectors.set(panel.subarray(2 * k * stride + 1, 2 * k * stride + order), k * length);
  return { row: n - length, length, width, reflectors, tau };
}

/**
 * The reflection that maps x[from…order) to a multiple of its first unit vector: v (v[from] = 1, zero elsewhere before)
 * and τ. Returns that multiple.
 */
function reflect(
  x: Float64Array,
  from: number,
  order: number,
  v: Float64Array,
  tau: Float64Array,
  j: number,
): number {
  let square = 0;
  for (let i = from + 1; i < order; i++) square += x[i]! * x[i]!;
  const alpha = x[from]!;
  v.fill(0);
  v[from] = 1;
  if (square === 0) return alpha;
  const beta = (alpha < 0 ? 1 : -1) * Math.sqrt(alpha * alpha + square);
  const scale = 1 / (alpha - beta);
  for (let i = from + 1; i < order; i++) v[i] = x[i]! * scale;
  tau[j] = (beta - alpha) / beta;
  return beta;
}

/** y = w = τ·(A'·v − ½·τ·(vᵀA'v)·v), A' being the trailing matrix under the panel's reflections so far. */
function symmetricTimesVector(space: PanelWorkspace, order: number, j: number, tau: number): void {
  const { panel, stride, v, y, factors } = space;
  y.fill(0);
  if (tau === 0) return;
  const from = j + 1;
  multiplySymmetric(space, order, from);
  const bytes = (order - from) * 8;
  const rows = panel.byteOffset + from * 8;
  const end = rows + 2 * j * stride * 8;
  space.rowDots(rows, stride * 8, end, bytes, v.byteOffset + from * 8, factors.byteOffset);
  for (let k = 0; k < 2 * j; k += 2) {
    const vDot = factors[k]!;
    factors[k] = -factors[k + 1]!;
    factors[k + 1] = -vDot;
  }
  subtractPanel(space, order, j, from);
  let dot = 0;
  for (let i = from; i < order; i++) {
    y[i] = y[i]! * tau;
    dot += y[i]! * v[i]!;
  }
  const share = -0.5 * tau * dot;
  for (let i = from; i < order; i++) y[i] = y[i]! + share * v[i]!;
}

/** y[from…] += Σ factors[k]·panel row k over the 2·j rows that are there (the factors come negated). */
function subtractPanel(space: PanelWorkspace, order: number, j: number, from: number): void {
  const { panel, stride, y, factors } = space;
  const rows = panel.byteOffset + from * 8;
  const end = rows + 2 * j * stride * 8;
  space.addRows(rows, stride * 8, end, (order - from) * 8, factors.byteOffset, y.byteOffset + from * 8);
}

/** y[from…] += A·v for the symmetric trailing part from (from, from) on: the kernel, then diagonal blocks and last rows. */
function multiplySymmetric(space: PanelWorkspace, order: number, from: number): void {
  const { matrix, v, y } = space;
  const corner = from * order + from;
  const fours = Math.floor((order - from) / 4);
  space.multiplyBelowDiagonal(
    matrix.byteOffset + corner * 8,
    order * 8,
    fours,
    v.byteOffset + from * 8,
    y.byteOffset + from * 8,
  );
  const paired = from + 4 * fours;
  for (let i = from; i < order; i++) {
    const first = i < paired ? i - ((i - from) % 4) : from;
    const row = i * order;
    let sum = matrix[row + i]! * v[i]!;
    for (let k = first; k < i; k++) {
      const entry = matrix[row + k]!;
      sum += entry * v[k]!;
      y[k] = y[k]! + entry * v[i]!;
    }
    y[i] = y[i]! + sum;
  }
}

/** Takes the panel's reflections out of the rest: A ← A − V·Wᵀ − W·Vᵀ, which becomes the new trailing matrix. */
async function updateTrailing(
  space: PanelWorkspace,
  order: number,
  width: number,
  { gemm, scratch }: { readonly gemm: Gemm; readonly scratch: Float64Array },
): Promise<void> {
  const { matrix, panel, stride } = space;
  const rest = order - width;
  const rows = 2 * width;
  const left = new Float64Array(rows * rest);
  const right = new Float64Array(rows * rest);
  for (let k = 0; k < rows; k++) {
    const row = panel.subarray(k * stride + width, k * stride + order);
    left.set(row, k * rest);
    right.set(row, (k ^ 1) * rest);
  }
  const minuend = scratch.subarray(0, rest * rest);
  for (let i = 0; i < rest; i++) {
    const at = (width + i) * order + width;
    minuend.set(matrix.subarray(at, at + rest), i * rest);
  }
  const into = matrix.subarray(0, rest * rest);
  await gemm.multiply({ m: rest, n: rest, k: rows, a: transpose(left, rows, rest), b: right, minuend, into });
}
