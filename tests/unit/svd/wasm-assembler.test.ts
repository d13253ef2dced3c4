import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  add1,
  advance,
  type Code,
  constant,
  get,
  Locals,
  load1,
  repeatWhileBelow,
  set,
  store1,
} from '#services/inference/svd/wasm-assembler.js';
import { instantiate } from '#services/inference/svd/wasm-instance.js';

test('an inner loop that is not entered leaves the outer loop running', () => {
  const locals = new Locals();
  const rows = locals.parameter();
  const row = locals.add('i32');
  const column = locals.add('i32');
  const at = locals.add('i32');
  // at[row] += at[8] once per column < row: row 0 has none.
  const count: Code = store1(get(at), add1(load1(get(at)), load1(constant(0), 64)));
  const eachRow: Code = [
    ...set(column, constant(0)),
    ...repeatWhileBelow(column, get(row), constant(1), count),
    ...advance(at, constant(8)),
  ];
  const body = repeatWhileBelow(row, get(rows), constant(1), eachRow);
  const { numbers, kernel } = instantiate([{ name: 'triangle', locals, body }], 16);
  numbers[8] = 1;
  kernel('triangle')(5);
  assert.deepEqual([...numbers.subarray(0, 6)], [0, 1, 2, 3, 4, 0]);
});

test('constants of every length reach the memory they address', () => {
  for (const address of [0, 8, 56, 64, 120, 128, 8184, 8192, 65_528]) {
    const locals = new Locals();
    const source = locals.parameter();
    const body = store1(constant(address), load1(get(source)));
    const { numbers, kernel } = instantiate([{ name: 'move', locals, body }], 16_384);
    numbers[10_000] = 42;
    kernel('move')(80_000);
    assert.equal(numbers[address / 8], 42, `address ${address}`);
  }
});
