/** Eigenvalues and eigenvectors of a symmetric matrix of order n. */
export interface Eigen {
  /** [n], rising. */
  readonly values: Float64Array;
  /** [n, n]: column i belongs to values[i]. */
  readonly vectors: Float64Array;
}

/** Distance from 1 to the next f64. */
export const EPSILON = Number.EPSILON;
