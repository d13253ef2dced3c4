/** The e for which the largest |entry| lies in [2^e, 2^(e+1)); 0 for a zero matrix. Finite entries. */
export function scaleExponent(matrix: Float32Array | Float64Array): number {
  let max = 0;
  for (let i = 0; i < matrix.length; i++) {
    const size = Math.abs(matrix[i]!);
    if (size > max) max = size;
  }
  return max === 0 ? 0 : Math.floor(Math.log2(max));
}

/** A copy as f64 times 2^exponent: exact, save where the result leaves f64's normal range. */
export function scaledCopy(matrix: Float32Array | Float64Array, exponent: number): Float64Array {
  const copy = new Float64Array(matrix);
  if (exponent === 0) return copy;
  // In two steps: 2^exponent alone may lie outside of f64's range.
  const half = 2 ** Math.trunc(exponent / 2);
  const rest = 2 ** (exponent - Math.trunc(exponent / 2));
  for (let i = 0; i < copy.length; i++) copy[i] = copy[i]! * half * rest;
  return copy;
}
