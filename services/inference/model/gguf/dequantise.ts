import assert from 'node:assert/strict';
import { convertInto } from '#shared/safetensors/to-float32.js';
import type { BlockType } from './block-types.js';
import { K_QUANTS } from './dequantise-k.js';
import { type Dequantiser, half } from './half.js';

/**
 * The numbers of a tensor or of some of its whole rows, f32. `data` holds whole blocks; `out` has `elements` numbers a block.
 * Formulas: ggml's block formats (d, m: f16 scale and minimum; q: small integers).
 */
export function dequantise(type: BlockType, data: Uint8Array, out: Float32Array): void {
  if (type.name === 'F32' || type.name === 'F16' || type.name === 'BF16') {
    convertInto(out, type.name, data);
    return;
  }
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const quant = QUANTS[type.name];
  assert(quant, `no dequantiser for ${type.name}`);
  quant(view, data.byteLength / type.bytes, out);
}

/** w = d·(q − 8); byte j holds element j in its low half and j + 16 in its high half. */
const q4_0: Dequantiser = (view, blocks, out) => {
  for (let block = 0, at = 0, to = 0; block < blocks; block++, at += 18, to += 32) {
    const d = half(view, at);
    for (let j = 0; j < 16; j++) {
      const byte = view.getUint8(at + 2 + j);
      out[to + j] = d * ((byte & 15) - 8);
      out[to + j + 16] = d * ((byte >> 4) - 8);
    }
  }
};

/** w = d·q + m. */
const q4_1: Dequantiser = (view, blocks, out) => {
  for (let block = 0, at = 0, to = 0; block < blocks; block++, at += 20, to += 32) {
    const d = half(view, at);
    const m = half(view, at + 2);
    for (let j = 0; j < 16; j++) {
      const byte = view.getUint8(at + 4 + j);
      out[to + j] = d * (byte & 15) + m;
      out[to + j + 16] = d * (byte >> 4) + m;
    }
  }
};

/** w = d·(q − 16) with the fifth bit of element j in bit j of a u32. */
const q5_0: Dequantiser = (view, blocks, out) => {
  for (let block = 0, at = 0, to = 0; block < blocks; block++, at += 22, to += 32) {
    const d = half(view, at);
    const high = view.getUint32(at + 2, true);
    for (let j = 0; j < 16; j++) {
      const byte = view.getUint8(at + 6 + j);
      out[to + j] = d * (((byte & 15) | (((high >>> j) & 1) << 4)) - 16);
      out[to + j + 16] = d * (((byte >> 4) | (((high >>> (j + 16)) & 1) << 4)) - 16);
    }
  }
};

/** w = d·q + m with the fifth bit as in Q5_0. */
const q5_1: Dequantiser = (view, blocks, out) => {
  for (let block = 0, at = 0, to = 0; block < blocks; block++, at += 24, to += 32) {
    const d = half(view, at);
    const m = half(view, at + 2);
    const high = view.getUint32(at + 4, true);
    for (let j = 0; j < 16; j++) {
      const byte = view.getUint8(at + 8 + j);
      out[to + j] = d * ((byte & 15) | (((high >>> j) & 1) << 4)) + m;
      out[to + j + 16] = d * ((byte >> 4) | (((high >>> (j + 16)) & 1) << 4)) + m;
    }
  }
};

/** w = d·q, q signed bytes. */
const q8_0: Dequantiser = (view, blocks, out) => {
  for (let block = 0, at = 0, to = 0; block < blocks; block++, at += 34, to += 32) {
    const d = half(view, at);
    for (let j = 0; j < 32; j++) out[to + j] = d * view.getInt8(at + 2 + j);
  }
};

const QUANTS: Readonly<Record<string, Dequantiser>> = {
  Q4_0: q4_0,
  Q4_1: q4_1,
  Q5_0: q5_0,
  Q5_1: q5_1,
  Q8_0: q8_0,
  ...K_QUANTS,
};
