import type { EngineLimits } from '#services/inference/engine/protocol.js';
import { type Engine, startEngine } from '#services/inference/engine.js';
import type { PreparedModel } from '#services/inference/model/prepared.js';

/** What differs from the plain fake engine. */
export interface FakeEngineOptions {
  readonly create?: 'createTimedFake' | 'createDyingFake' | 'createNothing';
  readonly vocabularySize?: number;
  readonly contextLength?: number;
  readonly pageCount?: number;
  /** Default 1. */
  readonly stepMs?: number;
  readonly limits?: Partial<EngineLimits>;
  readonly spectrumMaxBytes?: number;
}

/** A prepared model as far as fakes look at it. */
export function fakePrepared(options: FakeEngineOptions = {}): PreparedModel {
  const { vocabularySize = 97, contextLength = 128 } = options;
  return {
    name: 'fake',
    fingerprint: 'ab'.repeat(32),
    basisId: `${'ab'.repeat(32)}:svd-f64-1`,
    parameters: 7,
    adapted: [{ name: 'w', rows: 1, columns: 1 }],
    linears: [{ name: 'w', rows: 1, columns: 1 }],
    eosTokenIds: [2],
    bosTokenId: 1,
    classificationSystem: null,
    config: { architecture: 'llama', vocabularySize, contextLength, slidingWindow: null, hiddenSize: 64 },
  } as unknown as PreparedModel;
}

/** A real engine in its thread over the fake runtime. Drain it, or it holds the process. */
export function startFakeEngine(options: FakeEngineOptions = {}): Promise<Engine> {
  return startEngine({
    runtime: {
      module: new URL('./fake-runtime-module.js', import.meta.url).href,
      create: options.create ?? 'createTimedFake',
      options: {
        folder: '',
        model: fakePrepared(options),
        kvBytes: options.pageCount ?? 200,
        threads: options.stepMs ?? 1,
      },
    },
    limits: { stepTokens: 32, slots: 8, queueMax: 16, prefixBytes: 0, ...options.limits },
    spectrumMaxBytes: options.spectrumMaxBytes ?? 1024,
  });
}
