import { panelKernels } from './panel-kernels.js';
import { instantiate, type Kernel } from './wasm-instance.js';

/** Columns that are reduced before the rest of the matrix is updated in one product. */
export const PANEL_WIDTH = 64;

/**
 * Memory of one tridiagonalisation, inside WebAssembly: the trailing matrix, the panel's vectors as rows
 * (v₀, w₀, v₁, w₁, …) and three work vectors. Rows have room for two zeros past their end, so that kernels may go in
 * pairs.
 */
export interface PanelWorkspace {
  /** Largest order that fits. */
  readonly order: number;
  /** f64 from one row of the panel to the next. */
  readonly stride: number;
  /** [t, t], contiguous, of the current trailing order t. */
  readonly matrix: Float64Array<ArrayBuffer>;
  /** [2·PANEL_WIDTH, stride]. */
  readonly panel: Float64Array<ArrayBuffer>;
  /** [stride] each. */
  readonly v: Float64Array<ArrayBuffer>;
  readonly y: Float64Array<ArrayBuffer>;
  /** [2·PANEL_WIDTH]. */
  readonly factors: Float64Array<ArrayBuffer>;
  readonly multiplyBelowDiagonal: Kernel;
  readonly rowDots: Kernel;
  readonly addRows: Kernel;
}

/** The last workspace given back: one is kept, since the matrices of a model come in few sizes. */
let idle: PanelWorkspace | undefined;

/** A workspace for matrices up to `order`, for the caller alone until it is given back. */
export function takeWorkspace(order: number): PanelWorkspace {
  const kept = idle;
  idle = undefined;
  return kept && kept.order >= order ? kept : createWorkspace(order);
}

/** Ends the use of a workspace. */
export function giveBackWorkspace(workspace: PanelWorkspace): void {
  if (!idle || idle.order < workspace.order) idle = workspace;
}

function createWorkspace(order: number): PanelWorkspace {
  const stride = order + 2;
  const rows = 2 * PANEL_WIDTH;
  const length = order * order + (rows + 2) * stride + rows;
  const { numbers, kernel } = instantiate(panelKernels(), length);
  let at = 0;
  const take = (count: number) => {
    at += count;
    return numbers.subarray(at - count, at);
  };
  return {
    order,
    stride,
    matrix: take(order * order),
    panel: take(rows * stride),
    v: take(stride),
    y: take(stride),
    factors: take(rows),
    multiplyBelowDiagonal: kernel('multiplyBelowDiagonal'),
    rowDots: kernel('rowDots'),
    addRows: kernel('addRows'),
  };
}
