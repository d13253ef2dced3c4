import { GradientEngine } from '#services/inference/gradient/engine.js';
import type { PreparedModel } from '#services/inference/model/prepared.js';

/** What differs from the plain fake. */
export interface FakeGradientOptions {
  /** Milliseconds of one part. Default 1. */
  readonly partMs?: number;
  /** Bytes of one part; the fake needs 1000 for each token of its rectangle. Default 16 000. */
  readonly memoryBytes?: number;
  readonly queueMax?: number;
  readonly busy?: () => boolean;
}

/** A real gradient engine in its thread over the fake gradient runtime. */
export function startFakeGradients(
  prepared: PreparedModel,
  options: FakeGradientOptions = {},
): GradientEngine {
  return new GradientEngine({
    runtime: {
      module: new URL('./fake-gradient-module.js', import.meta.url).href,
      create: 'createFakeGradient',
      options: { folder: '', model: prepared, threads: options.partMs ?? 1, base: Float32Array.of(2) },
    },
    memoryBytes: options.memoryBytes ?? 16_000,
    queueMax: options.queueMax ?? 2,
    busy: options.busy ?? (() => false),
  });
}
