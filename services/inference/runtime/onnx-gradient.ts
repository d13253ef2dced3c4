import { type InferenceSession, Tensor } from 'onnxruntime-node';
import { ZmeshError } from '#shared/errors.js';
import { encodeModel } from '../graph/encode.js';
import { gradientGraph, type KlKind } from '../graph/gradient.js';
import { type Adaptation, spectralAdaptation } from '../graph/model-weights.js';
import { peakBytes, type Sizes } from '../graph/peak-bytes.js';
import type { PreparedModel } from '../model/prepared.js';
import type {
  GradientPart,
  GradientRuntime,
  GradientRuntimeOptions,
  PartResult,
  PartSizes,
} from './gradient-runtime.js';
import { openSession } from './session.js';
import { locateWeights } from './weight-files.js';

/**
 * What the process really grows by, against the plan: operators' own scratch memory and what the allocator cannot give back.
 * Measured 1.6 to 2.1 on a model of 135 million parameters, what earlier gradients left behind included.
 */
const OVERHEAD = 2.4;

/** A graph of one kind, opened when it is first run. */
interface Kind {
  readonly bytes: (sizes: Sizes) => number;
  readonly session: () => Promise<InferenceSession>;
}

/**
 * Differentiates a prepared model on onnxruntime-node's CPU provider. The weights are mapped from the folder's files, so
 * they are in memory once, whatever else serves the model on this machine.
 * @param adaptation what is differentiated by; its vectors take the place of spectra in every part.
 * @throws ZmeshError CORRUPT when the folder is not as the model says.
 */
export async function createOnnxGradient(
  options: GradientRuntimeOptions<PreparedModel>,
  adaptation: Adaptation = spectralAdaptation(options.model),
): Promise<GradientRuntime> {
  const { folder, model, threads } = options;
  const weights = await locateWeights(folder, model);
  const kinds = new Map<KlKind, Kind>();
  const opened: Promise<InferenceSession>[] = [];
  const kindOf = (kl: KlKind): Kind => {
    const known = kinds.get(kl);
    if (known) return known;
    const graph = gradientGraph({ model, weights, kl, adaptation });
    let session: Promise<InferenceSession> | undefined;
    const open = (): Promise<InferenceSession> => {
      session ??= openSession(encodeModel(graph, model.name), {
        folder,
        threads,
        prepack: false,
        arena: false,
      });
      opened.push(session);
      return session;
    };
    const kind = { bytes: peakBytes(graph), session: open };
    kinds.set(kl, kind);
    return kind;
  };
  return {
    runBytes: (kl, sizes) => Math.ceil(OVERHEAD * kindOf(kl).bytes(symbolicSizes(model, sizes))),
    async run(kl, part) {
      const session = await kindOf(kl).session();
      const feeds = feedsOf(kl, part, { base: options.base, spectrum: options.base.length });
      return resultOf(await runSession(session, feeds));
    },
    async dispose() {
      for (const session of new Set(opened)) await (await session).release();
    },
  };
}

function symbolicSizes({ config }: PreparedModel, { rows, tokensPerRow, wanted }: PartSizes): Sizes {
  const groupTokens = tokensPerRow * (config.heads / config.keyValueHeads);
  return { batch: rows, tokens: tokensPerRow, wanted, rows: rows * tokensPerRow, groupTokens };
}

function feedsOf(
  kl: KlKind,
  part: GradientPart,
  { base, spectrum }: { readonly base: Float32Array; readonly spectrum: number },
): Record<string, Tensor> {
  const { rows, tokensPerRow, wanted } = part;
  const feeds: Record<string, Tensor> = {
    tokens: new Tensor('int32', part.tokens, [rows, tokensPerRow]),
    positions: new Tensor('int32', part.positions, [rows, tokensPerRow]),
    mask: new Tensor('float32', part.mask, [rows, 1, tokensPerRow, tokensPerRow]),
    spectrum: new Tensor('float32', part.spectra, [rows, 1, spectrum]),
    wanted: new Tensor('int32', part.positionsWanted, [wanted]),
    targets: new Tensor('int32', part.targets, [wanted, 1]),
    log_prob_seeds: new Tensor('float32', part.logProbSeeds, [wanted, 1]),
  };
  if (kl === 'none') return feeds;
  return {
    ...feeds,
    reference: new Tensor('float32', base, [1, 1, spectrum]),
    kl_seeds: new Tensor('float32', part.klSeeds, [wanted, 1]),
  };
}

async function runSession(
  session: InferenceSession,
  feeds: Record<string, Tensor>,
): Promise<InferenceSession.ReturnType> {
  try {
    return await session.run(feeds);
  } catch (error) {
    throw new ZmeshError('INTERNAL', 'the model failed to compute a gradient', { cause: error });
  }
}

function resultOf(results: InferenceSession.ReturnType): PartResult {
  const data = (name: string) => (results[name]?.data ?? null) as Float32Array | null;
  return { logProbs: data('log_probs')!, kl: data('kl'), gradient: data('gradient')! };
}
