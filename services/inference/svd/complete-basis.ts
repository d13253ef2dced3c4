import type { Gemm } from './gemm.js';
import { gramOfRows } from './gram.js';
import { createRandom } from './random.js';
import { symmetricEigen } from './symmetric-eigen.js';

/** Takes the components along the orthonormal rows of `basis` out of `rows`, in place. Both have `columns` columns. */
export async function projectOut(
  rows: Float64Array,
  basis: Float64Array,
  columns: number,
  gemm: Gemm,
): Promise<void> {
  if (basis.length === 0) return;
  const m = rows.length / columns;
  const k = basis.length / columns;
  const shares = await gemm.multiply({ m, n: k, k: columns, a: rows, b: basis, transposeB: true });
  rows.set(await gemm.multiply({ m, n: columns, k, a: shares, b: basis, minuend: rows }));
}

/**
 * Fills `rows` with orthonormal rows that are orthogonal to the orthonormal rows of `basis`: what stands for the singular
 * vectors of σ = 0. Deterministic. There is room for them: both together have at most `columns` rows.
 */
export async function completeBasis(
  rows: Float64Array,
  basis: Float64Array,
  columns: number,
  gemm: Gemm,
): Promise<void> {
  const count = rows.length / columns;
  const random = createRandom(1);
  for (let i = 0; i < rows.length; i++) rows[i] = random() - 0.5;
  // Twice, for the first round leaves rounding errors as large as the rows are ill-conditioned.
  for (let round = 0; round < 2; round++) {
    await projectOut(rows, basis, columns, gemm);
    await projectOut(rows, basis, columns, gemm);
    const { values, vectors } = await symmetricEigen(
      await gramOfRows(rows, count, columns, gemm),
      count,
      gemm,
    );
    const turned = await gemm.multiply({
      m: count,
      n: columns,
      k: count,
      a: vectors,
      b: rows,
      transposeA: true,
    });
    for (let i = 0; i < count; i++) {
      const scale = 1 / Math.sqrt(values[i]!);
      for (let j = i * columns; j < (i + 1) * columns; j++) rows[j] = turned[j]! * scale;
    }
  }
}
