import { type Engine, startEngine } from '#services/inference/engine.js';
import { loadPrepared, loadSigma } from '#services/inference/model/load.js';
import { GREEDY } from './greedy.js';

/** Times of one measurement: until every sequence has its first token, and from then on. */
export interface SideTimes {
  readonly promptMs: number;
  readonly decodeMs: number;
  /** Processor time of all threads. */
  readonly promptCpuMs: number;
  readonly decodeCpuMs: number;
}

/** Starts the engine of a prepared model, as the service does, without prefixes that a second round would find. */
export async function startEngineSide(folder: string, threads: number): Promise<Engine> {
  const model = await loadPrepared(folder);
  const engine = await startEngine({
    runtime: {
      module: import.meta.resolve('#services/inference/runtime/onnx-runtime.js'),
      create: 'createOnnxRuntime',
      options: { folder, model, kvBytes: 512 << 20, threads },
    },
    limits: { stepTokens: 256, slots: 64, queueMax: 64, prefixBytes: 0 },
    spectrumMaxBytes: 256 << 20,
  });
  const sigma = [...(await loadSigma(folder, model)).values()].flatMap((all) => [...all]);
  engine.spectra.add('base', Float32Array.from(sigma), null).release();
  return engine;
}

/** Generates `tokens` tokens after each prompt, all at once. */
export async function measureEngine(
  engine: Engine,
  prompts: readonly Int32Array[],
  tokens: number,
): Promise<SideTimes> {
  const begin = now();
  let waiting = prompts.length;
  let decoding = begin;
  const read = async (prompt: Int32Array): Promise<void> => {
    const spectrum = engine.spectra.lease('base')!;
    const { signal } = new AbortController();
    const asked = { prompt, priority: 'interactive', n: 1, maxTokens: tokens, endIds: [] } as const;
    let begun = false;
    for await (const events of engine.generate({ spectrum, ...asked, sampling: GREEDY }, signal).events) {
      if (begun || !events.some(({ type }) => type === 'token')) continue;
      begun = true;
      waiting--;
      if (waiting === 0) decoding = now();
    }
  };
  await Promise.all(prompts.map(read));
  const end = now();
  return {
    promptMs: decoding.ms - begin.ms,
    decodeMs: end.ms - decoding.ms,
    promptCpuMs: decoding.cpuMs - begin.cpuMs,
    decodeCpuMs: end.cpuMs - decoding.cpuMs,
  };
}

function now(): { readonly ms: number; readonly cpuMs: number } {
  const { user, system } = process.cpuUsage();
  return { ms: performance.now(), cpuMs: (user + system) / 1000 };
}
