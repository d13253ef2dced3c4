const BLOCK = 32;

/** The transpose [columns, rows] of a row-major matrix [rows, columns], in cache-sized blocks. */
export function transpose(matrix: Float64Array, rows: number, columns: number): Float64Array {
  const result = new Float64Array(rows * columns);
  for (let i0 = 0; i0 < rows; i0 += BLOCK)
    for (let j0 = 0; j0 < columns; j0 += BLOCK) {
      const iEnd = Math.min(rows, i0 + BLOCK);
      const jEnd = Math.min(columns, j0 + BLOCK);
      for (let i = i0; i < iEnd; i++)
        for (let j = j0; j < jEnd; j++) result[j * rows + i] = matrix[i * columns + j]!;
    }
  return result;
}
