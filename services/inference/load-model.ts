import { isAbsolute } from 'node:path';
import { composeSpectrum } from '#shared/svf/compose.js';
import type { InferenceSettings } from './config.js';
import { DraftStore } from './drafts.js';
import type { EngineLimits, RuntimeSource } from './engine/protocol.js';
import { startEngine } from './engine.js';
import type { ExpertCache } from './experts.js';
import { GradientEngine } from './gradient/engine.js';
import { type MemoryBudget, preparedBytes } from './memory-budget.js';
import { engineMeter } from './metrics.js';
import { createMixtures } from './mixtures.js';
import { loadPrepared, loadSigma } from './model/load.js';
import { preparedFolder } from './model/prepared-files.js';
import { loadTokenizer } from './model/tokenizer.js';
import type { ServedModel } from './served-model.js';

/** A model that is served, and what its manifest needs. */
export interface LoadedModel extends ServedModel {
  /** σ of every adapted matrix, by weight name in model order. */
  readonly sigma: ReadonlyMap<string, Float64Array>;
}

/** Where things are. */
export interface LoadOptions {
  readonly home: string;
  readonly settings: InferenceSettings;
  readonly experts: ExpertCache;
  readonly budget: MemoryBudget;
}

/**
 * Loads a prepared model and starts its engine. `which`: a name under the home's models, or a folder. Throws UNKNOWN_MODEL
 * or CORRUPT for a folder without a sound model, TOO_LARGE where the budget has no room for it.
 */
export async function loadModel(
  which: string,
  { home, settings, experts, budget }: LoadOptions,
): Promise<LoadedModel> {
  const folder = isAbsolute(which) || which.startsWith('.') ? which : preparedFolder(home, which);
  const prepared = await loadPrepared(folder);
  budget.take(prepared.name, { weightBytes: await preparedBytes(folder), kvBytes: settings.kvBytes });
  const [tokenizer, sigma] = await Promise.all([loadTokenizer(folder), loadSigma(folder, prepared)]);
  const runtime: RuntimeSource = {
    module: new URL('./runtime/onnx-runtime.js', import.meta.url).href,
    create: 'createOnnxRuntime',
    options: { folder, model: prepared, kvBytes: settings.kvBytes, threads: settings.threads },
  };
  const limits: EngineLimits = {
    stepTokens: settings.stepTokens,
    slots: settings.slots,
    queueMax: settings.queueMax,
    prefixBytes: settings.prefixBytes,
  };
  const engine = await startEngine({
    runtime,
    limits,
    spectrumMaxBytes: settings.spectrumMaxBytes,
    meter: engineMeter(prepared.name),
  });
  const matrices = prepared.adapted.map(({ name }) => ({ name, sigma: sigma.get(name)! }));
  const { name: model, basisId } = prepared;
  const drafts = new DraftStore({ max: settings.draftsMax, leaseMs: settings.draftLeaseMs });
  const mixtures = createMixtures({ model, basisId, matrices, experts, drafts, spectra: engine.spectra });
  const gradients = new GradientEngine({
    runtime: {
      module: new URL('./runtime/onnx-gradient.js', import.meta.url).href,
      create: 'createOnnxGradient',
      options: {
        folder,
        model: prepared,
        threads: settings.gradientThreads,
        base: composeSpectrum(matrices, []),
      },
    },
    memoryBytes: settings.gradientBytes,
    queueMax: settings.queueMax,
    busy: () => engine.load.waitingInteractive > 0,
  });
  return { prepared, tokenizer, engine, mixtures, gradients, sigma };
}
