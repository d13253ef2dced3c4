import { ZmeshError } from '#shared/errors.js';
import { checkFactors } from './check-factors.js';
import { decomposeWide } from './decompose-wide.js';
import type { Gemm } from './gemm.js';
import { gemmJs } from './gemm-js.js';
import { wasmGemm } from './gemm-wasm.js';
import { scaledCopy, scaleExponent } from './scale.js';
import { applySignRule } from './sign.js';
import { transpose } from './transpose.js';

/** W = U·diag(σ)·Vᵀ with rank = min(rows, columns); UᵀU = VᵀV = I also where W has a lower rank. Row-major, f64. */
export interface ThinSvd {
  readonly rank: number;
  /** [rows, rank] */
  readonly u: Float64Array;
  /** [rank], falling, ≥ 0 */
  readonly sigma: Float64Array;
  /** [rank, columns] */
  readonly vt: Float64Array;
}

/** Settings of a decomposition. */
export interface SvdOptions {
  /** What computes the products; see `chooseGemm`. */
  readonly gemm: Gemm;
  /** Told when a back end's result failed its check and another is tried. Default: nobody. */
  readonly log?: (line: string) => void;
}

/** Where the short side is below this, calls into ONNX Runtime cost more than they save. */
const ORT_SIDE_MIN = 64;

/**
 * The thin SVD of a row-major matrix [rows, columns], in f64: eigenvectors of the Gram matrix of the short side, then
 * the other factor from W itself, with the small singular values refined level by level (`decompose-wide.ts`). Each
 * pair of vectors has the sign that `applySignRule` gives it.
 *
 * The result is checked with random vectors; should a back end be at fault, the next one is tried (ort, wasm, js).
 *
 * @throws ZmeshError INVALID_FIELD: a side below 1, a length other than rows·columns, NaN or an infinity;
 *   INTERNAL: no back end gave factors that pass the check.
 */
export async function thinSvd(
  matrix: Float32Array | Float64Array,
  rows: number,
  columns: number,
  options: SvdOptions,
): Promise<ThinSvd> {
  validate(matrix, rows, columns);
  const exponent = scaleExponent(matrix);
  const scaled = scaledCopy(matrix, -exponent);
  const isWide = rows <= columns;
  const rank = Math.min(rows, columns);
  const long = Math.max(rows, columns);
  const wide = isWide ? scaled : transpose(scaled, rows, columns);
  const faults: string[] = [];
  for (const gemm of candidates(options.gemm, rank)) {
    const factors = await decomposeWide(wide, rank, long, gemm);
    const fault = checkFactors(wide, rank, long, factors);
    if (fault === null) {
      applySignRule(factors);
      const sigma = scaledCopy(factors.sigma, exponent);
      if (isWide) return { rank, sigma, u: factors.u, vt: factors.vt };
      return { rank, sigma, u: transpose(factors.vt, rank, long), vt: transpose(factors.u, rank, rank) };
    }
    faults.push(`${gemm.name}: ${fault}`);
    options.log?.(`SVD of a ${rows}×${columns} matrix failed its check on ${gemm.name}: ${fault}`);
  }
  throw new ZmeshError(
    'INTERNAL',
    `the SVD of a ${rows}×${columns} matrix failed its check on every back end (${faults.join('; ')})`,
  );
}

/** The back ends to try, in order. */
function candidates(chosen: Gemm, rank: number): Gemm[] {
  const order = [...(rank < ORT_SIDE_MIN && chosen.name === 'ort' ? [] : [chosen]), wasmGemm(), gemmJs];
  return order.filter((gemm, index) => order.findIndex(({ name }) => name === gemm.name) === index);
}

function validate(matrix: Float32Array | Float64Array, rows: number, columns: number): void {
  for (const [field, side] of Object.entries({ rows, columns }))
    if (!Number.isInteger(side) || side < 1)
      throw new ZmeshError('INVALID_FIELD', `${field} must be a whole number ≥ 1, and is ${side}`, {
        field,
        limit: 1,
        value: side,
      });
  if (matrix.length !== rows * columns)
    throw new ZmeshError(
      'INVALID_FIELD',
      `a ${rows}×${columns} matrix has ${rows * columns} entries, and ${matrix.length} were given`,
      { field: 'matrix', limit: rows * columns, value: matrix.length },
    );
  // A sum of zeros is zero; with a NaN or an infinity among the factors it is NaN.
  let sum = 0;
  for (let i = 0; i < matrix.length; i++) sum += matrix[i]! * 0;
  if (sum === 0) return;
  const at = matrix.findIndex((entry: number) => !Number.isFinite(entry));
  const row = Math.floor(at / columns);
  throw new ZmeshError(
    'INVALID_FIELD',
    `the matrix must be finite, and holds ${matrix[at]} at row ${row}, column ${at % columns}`,
    { field: 'matrix', value: String(matrix[at]) },
  );
}
