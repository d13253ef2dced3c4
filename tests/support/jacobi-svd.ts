/** Thin SVD of a row-major matrix: u [rows, rank], sigma falling [rank], vt [rank, columns]. */
export interface ThinSvd {
  readonly u: Float64Array;
  readonly sigma: Float64Array;
  readonly vt: Float64Array;
}

/**
 * One-sided Jacobi: rotates pairs of vectors of the short side until all are orthogonal. Slow, and right to the last
 * bits; independent of the product's SVD. For matrices of full rank.
 */
export function jacobiSvd(matrix: Float64Array, rows: number, columns: number): ThinSvd {
  const wide = rows <= columns;
  const [rank, long] = wide ? [rows, columns] : [columns, rows];
  const vectors = Array.from({ length: rank }, (_, i) =>
    Float64Array.from({ length: long }, (_, j) => matrix[wide ? i * columns + j : j * columns + i]!),
  );
  const turns = vectors.map((_, i) => Float64Array.from({ length: rank }, (_, j) => (i === j ? 1 : 0)));
  let turned = true;
  while (turned) {
    turned = false;
    for (let p = 0; p < rank; p += 1) {
      for (let q = p + 1; q < rank; q += 1) if (orthogonalise(vectors, turns, p, q)) turned = true;
    }
  }
  const norms = vectors.map((vector) => Math.sqrt(dot(vector, vector)));
  const order = norms.map((_, i) => i).sort((a, b) => norms[b]! - norms[a]!);
  const sigma = Float64Array.from(order, (i) => norms[i]!);
  const short = new Float64Array(rank * rank);
  const longSide = new Float64Array(rank * long);
  order.forEach((from, k) => {
    for (let j = 0; j < rank; j += 1) short[j * rank + k] = turns[from]![j]!;
    for (let j = 0; j < long; j += 1) longSide[k * long + j] = vectors[from]![j]! / norms[from]!;
  });
  if (wide) return { u: short, sigma, vt: longSide };
  return { u: transposed(longSide, rank, long), sigma, vt: transposed(short, rank, rank) };
}

function orthogonalise(vectors: Float64Array[], turns: Float64Array[], p: number, q: number): boolean {
  const [a, b] = [vectors[p]!, vectors[q]!];
  const [aa, bb, ab] = [dot(a, a), dot(b, b), dot(a, b)];
  if (Math.abs(ab) <= 1e-15 * Math.sqrt(aa * bb)) return false;
  const zeta = (bb - aa) / (2 * ab);
  const tangent = Math.sign(zeta || 1) / (Math.abs(zeta) + Math.hypot(1, zeta));
  const cosine = 1 / Math.hypot(1, tangent);
  rotate(a, b, cosine, cosine * tangent);
  rotate(turns[p]!, turns[q]!, cosine, cosine * tangent);
  return true;
}

function rotate(a: Float64Array, b: Float64Array, cosine: number, sine: number): void {
  for (let i = 0; i < a.length; i += 1) {
    const [x, y] = [a[i]!, b[i]!];
    a[i] = cosine * x - sine * y;
    b[i] = sine * x + cosine * y;
  }
}

function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i += 1) sum += a[i]! * b[i]!;
  return sum;
}

function transposed(matrix: Float64Array, rows: number, columns: number): Float64Array {
  return Float64Array.from(
    { length: matrix.length },
    (_, i) => matrix[(i % rows) * columns + Math.floor(i / rows)]!,
  );
}
