import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { rotaryFrequencies, rotaryTables } from '#services/inference/graph/rotary-tables.js';
import { modelConfig } from './model-config.js';

/** Settings of Llama 3.2 1B. */
const LLAMA_3_2 = {
  headSize: 64,
  ropeTheta: 500_000,
  ropeScaling: { factor: 32, lowFreqFactor: 1, highFreqFactor: 4, originalContext: 8192 },
};

describe('rotary tables', () => {
  it('fall by powers of theta without scaling', () => {
    const [first, second] = rotaryFrequencies(modelConfig({ headSize: 4, ropeTheta: 10_000 }));
    assert.deepEqual([first, second], [1, 0.01]);
  });

  it("leave Llama 3's short waves, stretch the long ones by the factor, and blend without a jump", () => {
    const scaled = rotaryFrequencies(modelConfig(LLAMA_3_2));
    const plain = rotaryFrequencies(modelConfig({ ...LLAMA_3_2, ropeScaling: null }));
    const ratios = scaled.map((frequency, i) => plain[i]! / frequency);
    for (const [i, ratio] of ratios.entries()) {
      const wavelength = (2 * Math.PI) / plain[i]!;
      if (wavelength < 8192 / 4) assert.equal(ratio, 1, `element ${i}`);
      else if (wavelength > 8192) assert.ok(Math.abs(ratio - 32) < 1e-9, `element ${i}`);
      else assert.ok(ratio > 1 && ratio < 32, `element ${i}`);
      if (i > 0) assert.ok(scaled[i]! < scaled[i - 1]!, `element ${i} falls`);
    }
    assert.ok(
      ratios.some((ratio) => ratio > 1 && ratio < 31.9),
      'some are blended',
    );
  });

  it('blend a wave halfway between both limits to equal parts', () => {
    // Frequency 1 turns 2.5 times in a context of 5π: halfway between 1 and 4 times.
    const ropeScaling = { factor: 32, lowFreqFactor: 1, highFreqFactor: 4, originalContext: 5 * Math.PI };
    const [frequency] = rotaryFrequencies(modelConfig({ headSize: 2, ropeScaling }));
    assert.equal(frequency, 0.5 + 0.5 / 32);
  });

  it('hold the cosine and sine of every position, rounded once from f64', () => {
    const config = modelConfig({ headSize: 8, contextLength: 4096, ropeTheta: 1_000_000 });
    const { cos, sin } = rotaryTables(config);
    assert.equal(cos.length, 4096 * 4);
    for (const [position, i] of [
      [0, 0],
      [1, 3],
      [4095, 0],
      [4095, 1],
    ] as const) {
      const angle = position * 1_000_000 ** (-i / 4);
      assert.equal(cos[position * 4 + i], Math.fround(Math.cos(angle)));
      assert.equal(sin[position * 4 + i], Math.fround(Math.sin(angle)));
    }
  });
});
