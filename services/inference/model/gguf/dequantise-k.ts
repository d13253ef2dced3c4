import { type Dequantiser, half } from './half.js';

/** Super-blocks of 256 numbers: 2-bit q, 16 sub-blocks of 16 with 4-bit scale and minimum. w = d·s·q − dmin·m. */
const q2K: Dequantiser = (view, blocks, out) => {
  for (let block = 0, at = 0, to = 0; block < blocks; block++, at += 84, to += 256) {
    const d = half(view, at + 80);
    const dmin = half(view, at + 82);
    for (let sub = 0; sub < 16; sub++) {
      const packed = view.getUint8(at + sub);
      const scale = d * (packed & 15);
      const minimum = dmin * (packed >> 4);
      const { bytes, shift } = twoBitPlace(sub);
      for (let l = 0; l < 16; l++)
        out[to + sub * 16 + l] = scale * ((view.getUint8(at + 16 + bytes + l) >> shift) & 3) - minimum;
    }
  }
};

/** 3-bit q (two bits and an inverted high bit), 16 sub-blocks with 6-bit signed scales. w = d·(s − 32)·(q − 4·(1 − h)). */
const q3K: Dequantiser = (view, blocks, out) => {
  for (let block = 0, at = 0, to = 0; block < blocks; block++, at += 110, to += 256) {
    const d = half(view, at + 108);
    for (let sub = 0; sub < 16; sub++) {
      const low = view.getUint8(at + 96 + (sub & 7));
      const high = view.getUint8(at + 104 + (sub & 3)) >> (2 * (sub >> 2));
      const scale = d * (((sub < 8 ? low & 15 : low >> 4) | ((high & 3) << 4)) - 32);
      const { bytes, shift } = twoBitPlace(sub);
      const bit = 1 << (sub >> 1);
      for (let l = 0; l < 16; l++) {
        const q = (view.getUint8(at + 32 + bytes + l) >> shift) & 3;
        const offset = view.getUint8(at + (sub & 1) * 16 + l) & bit ? 0 : 4;
        out[to + sub * 16 + l] = scale * (q - offset);
      }
    }
  }
};

/** 4-bit q, 8 sub-blocks of 32 with 6-bit scale and minimum. w = d·s·q − dmin·m. */
const q4K: Dequantiser = (view, blocks, out) => {
  for (let block = 0, at = 0, to = 0; block < blocks; block++, at += 144, to += 256) {
    const d = half(view, at);
    const dmin = half(view, at + 2);
    for (let sub = 0; sub < 8; sub++) {
      const { scale, minimum } = sixBitPair(view, at + 4, sub);
      const s = d * scale;
      const m = dmin * minimum;
      for (let l = 0; l < 32; l++) {
        const byte = view.getUint8(at + 16 + (sub >> 1) * 32 + l);
        out[to + sub * 32 + l] = s * (sub & 1 ? byte >> 4 : byte & 15) - m;
      }
    }
  }
};

/** As Q4_K with a fifth bit of every number: bit `sub` of byte l. */
const q5K: Dequantiser = (view, blocks, out) => {
  for (let block = 0, at = 0, to = 0; block < blocks; block++, at += 176, to += 256) {
    const d = half(view, at);
    const dmin = half(view, at + 2);
    for (let sub = 0; sub < 8; sub++) {
      const { scale, minimum } = sixBitPair(view, at + 4, sub);
      const s = d * scale;
      const m = dmin * minimum;
      for (let l = 0; l < 32; l++) {
        const byte = view.getUint8(at + 48 + (sub >> 1) * 32 + l);
        const high = ((view.getUint8(at + 16 + l) >> sub) & 1) << 4;
        out[to + sub * 32 + l] = s * ((sub & 1 ? byte >> 4 : byte & 15) | high) - m;
      }
    }
  }
};

/** 6-bit q (four low, two high bits), 16 sub-blocks of 16 with signed 8-bit scales. w = d·s·(q − 32). */
const q6K: Dequantiser = (view, blocks, out) => {
  for (let block = 0, at = 0, to = 0; block < blocks; block++, at += 210, to += 256) {
    const d = half(view, at + 208);
    for (let i = 0; i < 256; i++) {
      const part = i >> 7;
      const quarter = (i >> 5) & 3;
      const l = i & 31;
      const byte = view.getUint8(at + part * 64 + (quarter & 1) * 32 + l);
      const low = quarter < 2 ? byte & 15 : byte >> 4;
      const high = (view.getUint8(at + 128 + part * 32 + l) >> (2 * quarter)) & 3;
      const scale = d * view.getInt8(at + 192 + (i >> 4));
      out[to + i] = scale * ((low | (high << 4)) - 32);
    }
  }
};

/** The K-quants by name. */
export const K_QUANTS: Readonly<Record<string, Dequantiser>> = {
  Q2_K: q2K,
  Q3_K: q3K,
  Q4_K: q4K,
  Q5_K: q5K,
  Q6_K: q6K,
};

/** Where the two-bit numbers of sub-block `sub` lie: four shifts over 32 bytes, for each half of 128 numbers. */
function twoBitPlace(sub: number): { bytes: number; shift: number } {
  return { bytes: (sub >> 3) * 32 + (sub & 1) * 16, shift: 2 * ((sub >> 1) & 3) };
}

/** Scale and minimum of sub-block `sub`, six bits each, packed in twelve bytes. */
function sixBitPair(view: DataView, at: number, sub: number): { scale: number; minimum: number } {
  if (sub < 4) return { scale: view.getUint8(at + sub) & 63, minimum: view.getUint8(at + sub + 4) & 63 };
  const packed = view.getUint8(at + sub + 4);
  return {
    scale: (packed & 15) | ((view.getUint8(at + sub - 4) >> 6) << 4),
    minimum: (packed >> 4) | ((view.getUint8(at + sub) >> 6) << 4),
  };
}
