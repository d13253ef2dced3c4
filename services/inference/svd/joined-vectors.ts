import type { Eigen } from './eigen.js';

/**
 * The eigenvectors of two halves as columns of one block-diagonal matrix, without building it: a column of the upper
 * half is zero below and the other way round, until a rotation mixes two.
 */
export class JoinedVectors {
  readonly upper: Eigen;
  readonly lower: Eigen;
  /** Whole columns [n] of those that were rotated. */
  readonly #rotated = new Map<number, Float64Array>();
  /** Per column: may it be non-zero in the upper rows, in the lower rows? */
  readonly #inUpper: Uint8Array;
  readonly #inLower: Uint8Array;

  constructor(upper: Eigen, lower: Eigen) {
    this.upper = upper;
    this.lower = lower;
    const n = upper.values.length + lower.values.length;
    this.#inUpper = new Uint8Array(n).fill(1, 0, upper.values.length);
    this.#inLower = new Uint8Array(n).fill(1, upper.values.length);
  }

  /** column i ← cosine·i + sine·j, column j ← cosine·j − sine·i. */
  rotate(i: number, j: number, cosine: number, sine: number): void {
    const first = this.#column(i);
    const second = this.#column(j);
    for (let row = 0; row < first.length; row++) {
      const x = first[row]!;
      const y = second[row]!;
      first[row] = cosine * x + sine * y;
      second[row] = cosine * y - sine * x;
    }
    for (const reach of [this.#inUpper, this.#inLower]) reach[i] = reach[j] = reach[i]! | reach[j]!;
  }

  /** May the column be non-zero in this half? */
  reaches(half: 'upper' | 'lower', column: number): boolean {
    return (half === 'upper' ? this.#inUpper : this.#inLower)[column] === 1;
  }

  /** One half's rows of the named columns, [rows of the half, columns.length]. */
  gather(half: 'upper' | 'lower', columns: readonly number[]): Float64Array {
    const { values, vectors } = this[half];
    const rows = values.length;
    const firstRow = half === 'upper' ? 0 : this.upper.values.length;
    const width = columns.length;
    const result = new Float64Array(rows * width);
    columns.forEach((column, to) => {
      const whole = this.#rotated.get(column);
      if (whole) for (let row = 0; row < rows; row++) result[row * width + to] = whole[firstRow + row]!;
    });
    const plain = columns
      .map((column, to) => ({ column, to }))
      .filter(({ column }) => !this.#rotated.has(column) && this.reaches(half, column));
    const from = Int32Array.from(plain, ({ column }) => column - firstRow);
    const to = Int32Array.from(plain, (entry) => entry.to);
    for (let row = 0; row < rows; row++)
      for (let c = 0; c < from.length; c++) result[row * width + to[c]!] = vectors[row * rows + from[c]!]!;
    return result;
  }

  #column(index: number): Float64Array {
    const made = this.#rotated.get(index);
    if (made) return made;
    const split = this.upper.values.length;
    const column = new Float64Array(split + this.lower.values.length);
    const [{ values, vectors }, first] = index < split ? [this.upper, 0] : [this.lower, split];
    const rows = values.length;
    for (let row = 0; row < rows; row++) column[first + row] = vectors[row * rows + index - first]!;
    this.#rotated.set(index, column);
    return column;
  }
}
