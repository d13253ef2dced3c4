import type { Gemm, Product } from './gemm.js';
import {
  add,
  add2,
  advance,
  type Code,
  constant,
  get,
  Locals,
  load2,
  loadBoth,
  repeatWhileBelow,
  set,
  store2,
  times,
  times2,
  type WasmFunction,
  zero2,
} from './wasm-assembler.js';
import { instantiate, type Kernel } from './wasm-instance.js';

/** Edge of the register tile: 4×4 sums stay in eight registers of two f64. */
const TILE = 4;
/** Blocks that stay in cache: a block of `a` (256 kB) in L2, one strip of `b` (8 kB) in L1. */
const BLOCK_ROWS = 128;
const BLOCK_DEPTH = 256;
const BLOCK_COLUMNS = 512;
/** Rows of the result that are kept in WebAssembly's memory at once (8 MB with BLOCK_COLUMNS). */
const PANEL_ROWS = 2048;

/** Where the packed blocks and the panel of the result lie, in f64. */
const A_AT = 0;
const B_AT = A_AT + BLOCK_ROWS * BLOCK_DEPTH;
const C_AT = B_AT + BLOCK_DEPTH * BLOCK_COLUMNS;
const TOTAL_LENGTH = C_AT + PANEL_ROWS * BLOCK_COLUMNS;

/**
 * Products on WebAssembly SIMD, about 10 GF/s per core wherever Node runs: the back end of machines without ONNX
 * Runtime's double kernel, and of small products. Blocking after Goto & van de Geijn, "Anatomy of high-performance
 * matrix multiplication" (2008). One per thread, made at first use; it holds 10 MB.
 */
export function wasmGemm(): Gemm {
  made ??= create();
  return made;
}

let made: Gemm | undefined;

function create(): Gemm {
  const { numbers, kernel } = instantiate([blockKernel()], TOTAL_LENGTH);
  const addBlock = kernel('addBlock');
  return {
    name: 'wasm',
    async multiply(product) {
      const result = product.into ?? new Float64Array(product.m * product.n);
      for (let row = 0; row < product.m; row += PANEL_ROWS)
        for (let column = 0; column < product.n; column += BLOCK_COLUMNS) {
          const rows = Math.min(PANEL_ROWS, product.m - row);
          const columns = Math.min(BLOCK_COLUMNS, product.n - column);
          fillPanel(product, { row, column, rows, columns }, numbers, addBlock);
          copyPanel(product, { row, column, rows, columns }, numbers, result);
        }
      return result;
    },
  };
}

/** A part of the result. */
interface Panel {
  readonly row: number;
  readonly column: number;
  readonly rows: number;
  readonly columns: number;
}

/** Computes one panel of op(a)·op(b) into WebAssembly's memory; edges are padded with zeros to whole tiles. */
function fillPanel(product: Product, panel: Panel, numbers: Float64Array, addBlock: Kernel): void {
  const { m, n, k, a, b } = product;
  const columnTiles = Math.ceil(panel.columns / TILE);
  const stride = columnTiles * TILE;
  numbers.fill(0, C_AT, C_AT + Math.ceil(panel.rows / TILE) * TILE * stride);
  const [aLane, aDepth] = product.transposeA ? [1, m] : [k, 1];
  const [bLane, bDepth] = product.transposeB ? [k, 1] : [1, n];
  for (let p = 0; p < k; p += BLOCK_DEPTH) {
    const depth = Math.min(BLOCK_DEPTH, k - p);
    const bFrom = panel.column * bLane + p * bDepth;
    pack(numbers, B_AT, b, bFrom, { lanes: panel.columns, depth, lane: bLane, step: bDepth });
    for (let i = 0; i < panel.rows; i += BLOCK_ROWS) {
      const lanes = Math.min(BLOCK_ROWS, panel.rows - i);
      const aFrom = (panel.row + i) * aLane + p * aDepth;
      pack(numbers, A_AT, a, aFrom, { lanes, depth, lane: aLane, step: aDepth });
      const target = C_AT + i * stride;
      addBlock(A_AT * 8, B_AT * 8, target * 8, Math.ceil(lanes / TILE), columnTiles, depth, stride * 8);
    }
  }
}

/** How a block lies in its source: `lanes` rows (or columns) `lane` apart, along a depth of numbers `step` apart. */
interface Layout {
  readonly lanes: number;
  readonly depth: number;
  readonly lane: number;
  readonly step: number;
}

/** Lays a block out as strips of four lanes, [strip][depth][4], with zeros for missing lanes. */
function pack(target: Float64Array, at: number, source: Float64Array, from: number, layout: Layout): void {
  const { lanes, depth, lane, step } = layout;
  let out = at;
  for (let first = 0; first < lanes; first += TILE) {
    const base = from + first * lane;
    if (first + TILE <= lanes) {
      for (let p = 0, q = base; p < depth; p++, q += step, out += TILE) {
        target[out] = source[q]!;
        target[out + 1] = source[q + lane]!;
        target[out + 2] = source[q + 2 * lane]!;
        target[out + 3] = source[q + 3 * lane]!;
      }
    } else {
      for (let p = 0; p < depth; p++, out += TILE)
        for (let l = 0; l < TILE; l++)
          target[out + l] = first + l < lanes ? source[base + l * lane + p * step]! : 0;
    }
  }
}

/** Moves a finished panel to the result, subtracting it from the minuend if there is one. */
function copyPanel({ n, minuend }: Product, panel: Panel, numbers: Float64Array, result: Float64Array): void {
  const stride = Math.ceil(panel.columns / TILE) * TILE;
  for (let i = 0; i < panel.rows; i++) {
    const from = C_AT + i * stride;
    const to = (panel.row + i) * n + panel.column;
    if (minuend)
      for (let j = 0; j < panel.columns; j++) result[to + j] = minuend[to + j]! - numbers[from + j]!;
    else result.set(numbers.subarray(from, from + panel.columns), to);
  }
}

/**
 * addBlock(a, b, c, rowTiles, columnTiles, depth, stride): c += a·b over packed strips. For every column strip, for every row strip, a 4×4 tile of sums over
 * the depth. Addresses and stride in bytes.
 */
function blockKernel(): WasmFunction {
  const locals = new Locals();
  const a = locals.parameter();
  const b = locals.parameter();
  const c = locals.parameter();
  const rowTiles = locals.parameter();
  const columnTiles = locals.parameter();
  const depth = locals.parameter();
  const stride = locals.parameter();
  const row = locals.add('i32');
  const column = locals.add('i32');
  const p = locals.add('i32');
  const aAt = locals.add('i32');
  const bAt = locals.add('i32');
  const cAt = locals.add('i32');
  const left = locals.add('v128');
  const right = locals.add('v128');
  const factor = locals.add('v128');
  const sums = [0, 1, 2, 3].map(() => [locals.add('v128'), locals.add('v128')] as const);

  const step: Code = [
    ...set(left, load2(get(bAt), 0)),
    ...set(right, load2(get(bAt), 16)),
    ...sums.flatMap(([s, t], i) => [
      ...set(factor, loadBoth(get(aAt), 8 * i)),
      ...set(s, add2(get(s), times2(get(factor), get(left)))),
      ...set(t, add2(get(t), times2(get(factor), get(right)))),
    ]),
    ...advance(aAt, constant(8 * TILE)),
    ...advance(bAt, constant(8 * TILE)),
  ];
  const tile: Code = [
    ...sums.flat().flatMap((sum) => set(sum, zero2)),
    ...set(bAt, add(get(b), times(get(column), times(get(depth), constant(8 * TILE))))),
    ...set(p, constant(0)),
    ...repeatWhileBelow(p, get(depth), constant(1), step),
    ...set(
      cAt,
      add(
        get(c),
        add(times(get(row), times(get(stride), constant(TILE))), times(get(column), constant(8 * TILE))),
      ),
    ),
    ...sums.flatMap(([s, t]) => [
      ...store2(get(cAt), add2(load2(get(cAt)), get(s))),
      ...store2(get(cAt), add2(load2(get(cAt), 16), get(t)), 16),
      ...advance(cAt, get(stride)),
    ]),
  ];
  // `aAt` runs on from one row strip to the next: strips lie one after the other.
  const strip: Code = [
    ...set(aAt, get(a)),
    ...set(row, constant(0)),
    ...repeatWhileBelow(row, get(rowTiles), constant(1), tile),
  ];
  return { name: 'addBlock', locals, body: repeatWhileBelow(column, get(columnTiles), constant(1), strip) };
}
