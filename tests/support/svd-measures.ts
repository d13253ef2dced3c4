import type { ThinSvd } from '#services/inference/svd/thin-svd.js';

/** What a decomposition is judged by; everything in plain loops of this file. */
export interface SvdMeasures {
  /** ‖W − U·diag(σ)·Vᵀ‖_F / ‖W‖_F; the numerator alone for a zero matrix. */
  readonly residual: number;
  /** max |UᵀU − I| */
  readonly u: number;
  /** max |VᵀV − I| */
  readonly v: number;
  /** Largest σᵢ₊₁ − σᵢ (≤ 0 where σ falls) and smallest σ. */
  readonly rise: number;
  readonly smallest: number;
  /** Vectors of the short side whose entry of largest magnitude, the first of several, is negative. */
  readonly wrongSigns: number;
}

/** Measures a decomposition without any of the product's own arithmetic. */
export function measureSvd(
  matrix: Float32Array | Float64Array,
  rows: number,
  columns: number,
  svd: ThinSvd,
): SvdMeasures {
  const { rank, sigma } = svd;
  // Vectors as rows, so that every loop reads along memory.
  const us = rowsOf(svd.u, rows, rank);
  const vs = Array.from({ length: rank }, (_, i) => svd.vt.subarray(i * columns, (i + 1) * columns));
  let rise = Number.NEGATIVE_INFINITY;
  for (let i = 1; i < rank; i++) rise = Math.max(rise, sigma[i]! - sigma[i - 1]!);
  return {
    residual: residual(matrix, rows, columns, us, sigma, vs),
    u: identityFault(us),
    v: identityFault(vs),
    rise,
    smallest: Math.min(...sigma),
    wrongSigns: (rows <= columns ? us : vs).filter((vector) => largestEntry(vector) < 0).length,
  };
}

function residual(
  matrix: Float32Array | Float64Array,
  rows: number,
  columns: number,
  us: readonly Float64Array[],
  sigma: Float64Array,
  vs: readonly Float64Array[],
): number {
  // In units of the largest entry: squares of 1e-200 or 1e200 would leave f64's range.
  let unit = 0;
  for (const entry of matrix) unit = Math.max(unit, Math.abs(entry));
  unit ||= 1;
  let missing = 0;
  let total = 0;
  const row = new Float64Array(columns);
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j < columns; j++) row[j] = matrix[i * columns + j]! / unit;
    for (const entry of row) total += entry * entry;
    for (let k = 0; k < us.length; k++) {
      const share = us[k]![i]! * (sigma[k]! / unit);
      const v = vs[k]!;
      for (let j = 0; j < columns; j++) row[j] = row[j]! - share * v[j]!;
    }
    for (const entry of row) missing += entry * entry;
  }
  return Math.sqrt(missing / (total || 1));
}

function identityFault(vectors: readonly Float64Array[]): number {
  let fault = 0;
  for (let i = 0; i < vectors.length; i++)
    for (let j = 0; j <= i; j++) {
      let dot = 0;
      const [a, b] = [vectors[i]!, vectors[j]!];
      for (let p = 0; p < a.length; p++) dot += a[p]! * b[p]!;
      const distance = Math.abs(dot - (i === j ? 1 : 0));
      fault = Math.max(fault, distance);
    }
  return fault;
}

function largestEntry(vector: Float64Array): number {
  let largest = 0;
  for (const entry of vector) if (Math.abs(entry) > Math.abs(largest)) largest = entry;
  return largest;
}

function rowsOf(matrix: Float64Array, rows: number, columns: number): Float64Array[] {
  return Array.from({ length: columns }, (_, column) =>
    Float64Array.from({ length: rows }, (_, row) => matrix[row * columns + column]!),
  );
}
