import {
  add,
  add1,
  add2,
  advance,
  type Code,
  constant,
  get,
  Locals,
  lanesSum,
  load1,
  load2,
  loadBoth,
  repeatWhileBelow,
  set,
  store1,
  store2,
  times,
  times2,
  type WasmFunction,
  zero2,
} from './wasm-assembler.js';

/** The matrix-times-vector loops of the tridiagonalisation, half of its time, as WebAssembly SIMD. */
export function panelKernels(): WasmFunction[] {
  return [multiplyBelowDiagonal(), rowDots(), addRows()];
}

/**
 * multiplyBelowDiagonal(matrix, stride, fours, v, y): y += A·v for the symmetric A whose lower triangle is read once,
 * without its 4×4 diagonal blocks; the order is 4·fours. Addresses and stride in bytes.
 */
function multiplyBelowDiagonal(): WasmFunction {
  const locals = new Locals();
  const matrix = locals.parameter();
  const stride = locals.parameter();
  const fours = locals.parameter();
  const v = locals.parameter();
  const y = locals.parameter();
  const block = locals.add('i32');
  const at = locals.add('i32');
  const end = locals.add('i32');
  const x = locals.add('v128');
  const sum = locals.add('v128');
  const entry = locals.add('v128');
  const rows = [0, 1, 2, 3].map(() => ({
    address: locals.add('i32'),
    factor: locals.add('v128'),
    sum: locals.add('v128'),
  }));

  const step: Code = [
    ...set(x, load2(add(get(v), get(at)))),
    ...set(sum, load2(add(get(y), get(at)))),
    ...rows.flatMap((row) => [
      ...set(entry, load2(add(get(row.address), get(at)))),
      ...set(row.sum, add2(get(row.sum), times2(get(entry), get(x)))),
      ...set(sum, add2(get(sum), times2(get(entry), get(row.factor)))),
    ]),
    ...store2(add(get(y), get(at)), get(sum)),
  ];
  const fourRows: Code = [
    ...set(end, times(get(block), constant(32))),
    ...rows.flatMap((row, i) => [
      ...set(
        row.address,
        add(get(matrix), times(get(stride), add(times(get(block), constant(4)), constant(i)))),
      ),
      ...set(row.factor, loadBoth(add(get(v), get(end)), 8 * i)),
      ...set(row.sum, zero2),
    ]),
    ...set(at, constant(0)),
    ...repeatWhileBelow(at, get(end), constant(16), step),
    ...rows.flatMap((row, i) => {
      const target = add(get(y), get(end));
      return store1(target, add1(load1(target, 8 * i), lanesSum(row.sum)), 8 * i);
    }),
  ];
  return {
    name: 'multiplyBelowDiagonal',
    locals,
    body: repeatWhileBelow(block, get(fours), constant(1), fourRows),
  };
}

/** rowDots(rows, stride, end, bytes, x, out): out[i] = row i · x for every row in [rows, end), an even number of them. */
function rowDots(): WasmFunction {
  const locals = new Locals();
  const rows = locals.parameter();
  const stride = locals.parameter();
  const end = locals.parameter();
  const bytes = locals.parameter();
  const x = locals.parameter();
  const out = locals.parameter();
  const next = locals.add('i32');
  const at = locals.add('i32');
  const value = locals.add('v128');
  const first = locals.add('v128');
  const second = locals.add('v128');

  const step: Code = [
    ...set(value, load2(add(get(x), get(at)))),
    ...set(first, add2(get(first), times2(get(value), load2(add(get(rows), get(at)))))),
    ...set(second, add2(get(second), times2(get(value), load2(add(get(next), get(at)))))),
  ];
  const twoRows: Code = [
    ...set(next, add(get(rows), get(stride))),
    ...set(first, zero2),
    ...set(second, zero2),
    ...set(at, constant(0)),
    ...repeatWhileBelow(at, get(bytes), constant(16), step),
    ...store1(get(out), lanesSum(first)),
    ...store1(get(out), lanesSum(second), 8),
    ...advance(out, constant(16)),
  ];
  return {
    name: 'rowDots',
    locals,
    body: repeatWhileBelow(rows, get(end), add(get(stride), get(stride)), twoRows),
  };
}

/** addRows(rows, stride, end, bytes, factors, y): y += Σ factors[i]·row i over the rows in [rows, end), an even number. */
function addRows(): WasmFunction {
  const locals = new Locals();
  const rows = locals.parameter();
  const stride = locals.parameter();
  const end = locals.parameter();
  const bytes = locals.parameter();
  const factors = locals.parameter();
  const y = locals.parameter();
  const next = locals.add('i32');
  const at = locals.add('i32');
  const first = locals.add('v128');
  const second = locals.add('v128');
  const sum = locals.add('v128');

  const step: Code = [
    ...set(sum, load2(add(get(y), get(at)))),
    ...set(sum, add2(get(sum), times2(get(first), load2(add(get(rows), get(at)))))),
    ...set(sum, add2(get(sum), times2(get(second), load2(add(get(next), get(at)))))),
    ...store2(add(get(y), get(at)), get(sum)),
  ];
  const twoRows: Code = [
    ...set(next, add(get(rows), get(stride))),
    ...set(first, loadBoth(get(factors))),
    ...set(second, loadBoth(get(factors), 8)),
    ...set(at, constant(0)),
    ...repeatWhileBelow(at, get(bytes), constant(16), step),
    ...advance(factors, constant(16)),
  ];
  return {
    name: 'addRows',
    locals,
    body: repeatWhileBelow(rows, get(end), add(get(stride), get(stride)), twoRows),
  };
}
