import type { ModelConfig } from '../model/prepared.js';

/** Cosines and sines of the rotary embedding, each f32 [context, headSize / 2]. */
export interface RotaryTables {
  readonly cos: Float32Array;
  readonly sin: Float32Array;
}

/** Computes the tables in f64 and rounds once. */
export function rotaryTables(config: ModelConfig): RotaryTables {
  const frequencies = rotaryFrequencies(config);
  const half = frequencies.length;
  const cos = new Float32Array(config.contextLength * half);
  const sin = new Float32Array(config.contextLength * half);
  for (let position = 0; position < config.contextLength; position += 1) {
    frequencies.forEach((frequency, index) => {
      cos[position * half + index] = Math.cos(position * frequency);
      sin[position * half + index] = Math.sin(position * frequency);
    });
  }
  return { cos, sin };
}

/**
 * Angle per position of each pair of elements: θ^(−2i/headSize), divided by the checkpoint's own divisors where it has
 * them, with Llama 3's scaling where it has that: wavelengths beyond originalContext / lowFreqFactor are stretched by
 * `factor`, those under originalContext / highFreqFactor stay, and those between are blended (Hugging Face's
 * `_compute_llama3_parameters`).
 */
export function rotaryFrequencies(config: ModelConfig): Float64Array {
  const { headSize, ropeTheta, ropeScaling, ropeDivisors } = config;
  return Float64Array.from({ length: headSize / 2 }, (_, index) => {
    const frequency = ropeTheta ** ((-2 * index) / headSize) / (ropeDivisors?.[index] ?? 1);
    if (!ropeScaling) return frequency;
    const { factor, lowFreqFactor, highFreqFactor, originalContext } = ropeScaling;
    const turns = (originalContext * frequency) / (2 * Math.PI);
    const share = Math.min(1, Math.max(0, (turns - lowFreqFactor) / (highFreqFactor - lowFreqFactor)));
    return share * frequency + ((1 - share) * frequency) / factor;
  });
}
