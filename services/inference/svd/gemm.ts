/** One dense product in f64, row-major and contiguous: result[m, n] = op(a)·op(b), or minuend − op(a)·op(b). */
export interface Product {
  /** Rows of the result. */
  readonly m: number;
  /** Columns of the result. */
  readonly n: number;
  /** Length of the sum behind every entry. */
  readonly k: number;
  /** [m, k], or [k, m] under `transposeA`. */
  readonly a: Float64Array;
  /** [k, n], or [n, k] under `transposeB`. */
  readonly b: Float64Array;
  /** Default false. */
  readonly transposeA?: boolean;
  /** Default false. */
  readonly transposeB?: boolean;
  /** [m, n]; the product is subtracted from it. Default: the product itself is the result. */
  readonly minuend?: Float64Array;
  /** [m, n] that receives the result; shares no memory with the inputs. Default: a fresh array. */
  readonly into?: Float64Array;
}

/** A back end for dense products. All of them give the same numbers up to rounding; only their speed differs. */
export interface Gemm {
  readonly name: 'ort' | 'wasm' | 'js';
  /** Returns `into`, or a fresh [m, n]. */
  multiply(product: Product): Promise<Float64Array>;
}
