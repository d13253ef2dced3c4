import assert from 'node:assert/strict';

/**
 * A small WebAssembly assembler: enough to write number loops with 128-bit SIMD as readable TypeScript. Expressions and
 * statements are byte lists that nest as the source does. Binary format: https://webassembly.github.io/spec/core/binary/.
 */

/** Bytes of an expression or a statement. */
export type Code = readonly number[];

/** A local variable of the function being written: its index. */
export type Local = number & { readonly __brand: 'local' };

const VALUE_TYPES = { i32: 0x7f, f64: 0x7c, v128: 0x7b } as const;
const EMPTY_BLOCK = 0x40;

/** One exported function without a result. */
export interface WasmFunction {
  readonly name: string;
  readonly locals: Locals;
  readonly body: Code;
}

/** Numbers the parameters (all i32) and then the other locals of a function while it is written. */
export class Locals {
  parameters = 0;
  readonly types: (keyof typeof VALUE_TYPES)[] = [];

  /** The next parameter; all of them come before the first `add`. */
  parameter(): Local {
    assert(this.types.length === 0, 'parameters are numbered before other locals');
    return this.parameters++ as Local;
  }

  /** A new local, zero at the start. */
  add(type: keyof typeof VALUE_TYPES): Local {
    return (this.parameters + this.types.push(type) - 1) as Local;
  }
}

/** Value of a local. */
export const get = (local: Local): Code => [0x20, ...unsigned(local)];

/** local = value. */
export const set = (local: Local, value: Code): Code => [...value, 0x21, ...unsigned(local)];

/** An i32 constant. */
export const constant = (value: number): Code => [0x41, ...signed(value)];

/** i32 sum, difference and product. */
export const add = (x: Code, y: Code): Code => [...x, ...y, 0x6a];
export const subtract = (x: Code, y: Code): Code => [...x, ...y, 0x6b];
export const times = (x: Code, y: Code): Code => [...x, ...y, 0x6c];

/** local += step. */
export const advance = (local: Local, step: Code): Code => set(local, add(get(local), step));

/** Two f64 at address + offset. */
export const load2 = (address: Code, offset = 0): Code => [...address, ...simd(0x00), ...memory(offset)];

/** One f64 at address + offset, in both lanes. */
export const loadBoth = (address: Code, offset = 0): Code => [...address, ...simd(0x0a), ...memory(offset)];

/** Stores two f64 at address + offset. */
export const store2 = (address: Code, value: Code, offset = 0): Code => [
  ...address,
  ...value,
  ...simd(0x0b),
  ...memory(offset),
];

/** One f64 at address + offset. */
export const load1 = (address: Code, offset = 0): Code => [...address, 0x2b, ...memory(offset)];

/** Stores one f64 at address + offset. */
export const store1 = (address: Code, value: Code, offset = 0): Code => [
  ...address,
  ...value,
  0x39,
  ...memory(offset),
];

/** Lane-wise sum and product of two f64 pairs. */
export const add2 = (x: Code, y: Code): Code => [...x, ...y, ...simd(0xf0)];
export const times2 = (x: Code, y: Code): Code => [...x, ...y, ...simd(0xf2)];

/** A pair of zeros. */
export const zero2: Code = [...simd(0x0c), ...new Array<number>(16).fill(0)];

/** The sum of a pair's lanes. */
export const lanesSum = (pair: Local): Code => [
  ...get(pair),
  ...simd(0x21),
  0,
  ...get(pair),
  ...simd(0x21),
  1,
  0xa0,
];

/** Sum of two f64. */
export const add1 = (x: Code, y: Code): Code => [...x, ...y, 0xa0];

/** for (; local < end; local += step) body — unsigned; the body is skipped where local ≥ end at the start. */
export function repeatWhileBelow(local: Local, end: Code, step: Code, body: Code): Code {
  const leave = [...get(local), ...end, 0x4f, 0x0d, 0];
  const again = [...advance(local, step), ...get(local), ...end, 0x49, 0x0d, 0];
  return [0x02, EMPTY_BLOCK, ...leave, 0x03, EMPTY_BLOCK, ...body, ...again, 0x0b, 0x0b];
}

/** The bytes of a module that imports its memory as `env.memory` and exports the functions. */
export function assembleModule(functions: readonly WasmFunction[]): Uint8Array<ArrayBuffer> {
  const types = functions.map(({ locals }) => [
    0x60,
    ...vector(new Array<Code>(locals.parameters).fill([VALUE_TYPES.i32])),
    0,
  ]);
  const imports = [[...text('env'), ...text('memory'), 0x02, 0x00, 0x00]];
  const exports = functions.map(({ name }, index) => [...text(name), 0x00, ...unsigned(index)]);
  const bodies = functions.map(({ locals, body }) => {
    const declared = vector(locals.types.map((type) => [1, VALUE_TYPES[type]]));
    const content = [...declared, ...body, 0x0b];
    return [...unsigned(content.length), ...content];
  });
  return Uint8Array.from([
    ...[0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00],
    ...section(1, vector(types)),
    ...section(2, vector(imports)),
    ...section(3, vector(functions.map((_, index) => unsigned(index)))),
    ...section(7, vector(exports)),
    ...section(10, vector(bodies)),
  ]);
}

function section(id: number, content: Code): Code {
  return [id, ...unsigned(content.length), ...content];
}

function vector(items: readonly Code[]): Code {
  return [...unsigned(items.length), ...items.flat()];
}

function text(value: string): Code {
  const bytes = new TextEncoder().encode(value);
  return [...unsigned(bytes.length), ...bytes];
}

function simd(opcode: number): Code {
  return [0xfd, ...unsigned(opcode)];
}

/** Alignment hint 2^3 and offset of a memory access. */
function memory(offset: number): Code {
  return [3, ...unsigned(offset)];
}

/** Unsigned LEB128. */
function unsigned(value: number): Code {
  const bytes: number[] = [];
  let rest = value;
  do {
    const more = rest > 0x7f;
    bytes.push((rest & 0x7f) | (more ? 0x80 : 0));
    rest >>>= 7;
  } while (rest > 0);
  return bytes;
}

/** Signed LEB128. */
function signed(value: number): Code {
  const bytes: number[] = [];
  let rest = value;
  for (;;) {
    const low = rest & 0x7f;
    rest >>= 7;
    const last = (rest === 0 && (low & 0x40) === 0) || (rest === -1 && (low & 0x40) !== 0);
    bytes.push(last ? low : low | 0x80);
    if (last) return bytes;
  }
}
