import { assembleModule, type WasmFunction } from './wasm-assembler.js';

/** The part of the WebAssembly interface that is used here; @types/node describes it for browsers' lib only. */
declare const WebAssembly: {
  readonly Memory: new (limits: { initial: number }) => { readonly buffer: ArrayBuffer };
  readonly Module: new (bytes: Uint8Array<ArrayBuffer>) => object;
  readonly Instance: new (module: object, imports: object) => { readonly exports: Record<string, unknown> };
};

/** A kernel: numbers are addresses in bytes, strides in bytes and counts. */
export type Kernel = (...parameters: number[]) => void;

/** A WebAssembly instance with a memory of fixed size. */
export interface WasmInstance {
  /** The whole memory. */
  readonly numbers: Float64Array<ArrayBuffer>;
  readonly kernel: (name: string) => Kernel;
}

const PAGE_BYTES = 65_536;

/** Assembles and instantiates the functions over a zeroed memory of at least `length` f64. */
export function instantiate(functions: readonly WasmFunction[], length: number): WasmInstance {
  const memory = new WebAssembly.Memory({ initial: Math.ceil((length * 8) / PAGE_BYTES) });
  const module = new WebAssembly.Module(assembleModule(functions));
  const { exports } = new WebAssembly.Instance(module, { env: { memory } });
  return { numbers: new Float64Array(memory.buffer), kernel: (name) => exports[name] as Kernel };
}
