import type { Layout } from './layout.js';

/** What has a scale of its own. */
export interface ScaleSettings {
  /** `matrix`: one scale a matrix; `band`: `bands` a matrix; `value`: one a singular value. */
  readonly scales: 'matrix' | 'band' | 'value';
  readonly bands: number;
}

/** Largest |log scale| that reaches the model: a multiplier of e^±5, 148-fold either way. */
const LOG_SCALE_MAX = 5;

/** How many scales there are. */
export function scaleCount(layout: Layout, settings: ScaleSettings): number {
  return layout.slots.reduce((sum, { length }) => sum + groupsOf(length, settings).count, 0);
}

/** Multipliers from the logarithms of the scales, packed as the layout says: m = e^x, x kept within ±5. */
export function expandScales(layout: Layout, settings: ScaleSettings, logScales: Float64Array): Float64Array {
  const out = new Float64Array(layout.size);
  let first = 0;
  for (const { offset, length } of layout.slots) {
    const { of, count } = groupsOf(length, settings);
    for (let i = 0; i < length; i++) {
      const x = logScales[first + of[i]!]!;
      out[offset + i] = Math.exp(Math.max(-LOG_SCALE_MAX, Math.min(LOG_SCALE_MAX, x)));
    }
    first += count;
  }
  return out;
}

/**
 * The group of each singular value of one matrix, from 0 without gaps. Bands are equally wide in ln(1 + i), i = index of
 * falling σ: few of the large singular values share a scale, many of the small ones.
 */
function groupsOf(rank: number, { scales, bands }: ScaleSettings): { of: Int32Array; count: number } {
  const of = new Int32Array(rank);
  if (scales === 'matrix') return { of, count: 1 };
  if (scales === 'value') return { of: of.map((_, i) => i), count: rank };
  let count = 0;
  let last = -1;
  for (let i = 0; i < rank; i++) {
    const band = Math.min(bands - 1, Math.floor((bands * Math.log(1 + i)) / Math.log(1 + rank)));
    if (band !== last) count++;
    last = band;
    of[i] = count - 1;
  }
  return { of, count };
}
