/**
 * Memory for a step's inputs that is kept from step to step and grows to the largest step. A view is valid until the
 * next `take` of the same scratch.
 */
export interface Scratch<T> {
  /** A view of `length` elements, of undefined content. */
  take(length: number): T;
}

/** Scratch memory of f32. */
export function floatScratch(): Scratch<Float32Array> {
  let memory = new Float32Array(1024);
  return {
    take(length) {
      if (memory.length < length) memory = new Float32Array(grown(length));
      return memory.subarray(0, length);
    },
  };
}

/** Scratch memory of int32. */
export function intScratch(): Scratch<Int32Array> {
  let memory = new Int32Array(256);
  return {
    take(length) {
      if (memory.length < length) memory = new Int32Array(grown(length));
      return memory.subarray(0, length);
    },
  };
}

/** The next power of two, so that slowly growing steps do not allocate each time. */
function grown(length: number): number {
  return 2 ** Math.ceil(Math.log2(length));
}
