import type { Mixture } from '#proto/zmesh/v1/common.js';
import {
  type ComputeGradientRequest,
  type ComputeGradientResponse,
  type GradientSequence,
  KlDirection,
  type MixtureGradient,
  type SequenceLoss,
} from '#proto/zmesh/v1/inference.js';
import { checkContext, fault, inRange } from '#shared/field.js';
import { MESSAGE_BYTES_MAX } from '#shared/rpc/limits.js';
import { type Arm, composeSpectrum } from '#shared/svf/compose.js';
import { multiplierGradient } from '#shared/svf/gradient.js';
import { mixtureHash } from '#shared/svf/mixture-hash.js';
import { DRAFT } from '#shared/svf/names.js';
import { monotonicMs } from '#shared/telemetry/clock.js';
import type { GradientAnswer } from './gradient/engine.js';
import { recordGradient } from './gradient/record.js';
import type { GradientSequence as TaskSequence } from './gradient/task.js';
import type { KlKind } from './graph/gradient.js';
import { readMultipliers } from './load-multipliers.js';
import type { LoadedMixture } from './mixtures.js';
import { priorityClass } from './priority.js';
import { checkIds, encodePrompt } from './prompt.js';
import type { ServedModel } from './served-model.js';

/** Most sequences of one request. */
const SEQUENCES_MAX = 4096;
/** Weights beyond this leave f32 no room for what they are multiplied with. */
const WEIGHT_MAX = 1e30;
/** Largest share of the KL. */
const KL_COEFFICIENT_MAX = 1e6;
/** What a message holds beside gradients. */
const MESSAGE_MARGIN_BYTES = 16 * 1024 * 1024;

const KINDS = new Map<number, KlKind>([
  [KlDirection.UNSPECIFIED, 'none'],
  [KlDirection.REFERENCE_TO_POLICY, 'reference_to_policy'],
  [KlDirection.POLICY_TO_REFERENCE, 'policy_to_reference'],
]);

interface RpcOptions {
  readonly signal: AbortSignal;
  readonly promptBytesMax: number;
}

/** Computes a loss and its gradient: check → encode → mixtures → engine → through σ and the normalisation. */
export async function computeGradient(
  model: ServedModel,
  request: ComputeGradientRequest,
  options: RpcOptions,
): Promise<ComputeGradientResponse> {
  const arrivedMs = monotonicMs();
  const kl = checkLoss(request);
  const encoded = encodeSequences(model, request, options);
  const { mixtures, indices } = await gatherMixtures(model, request, options.signal);
  const { matrices } = model.mixtures;
  const spectra = mixtures.map(({ arms }) => composeSpectrum(matrices, arms));
  const sequences = encoded.map((sequence, i) => ({ ...sequence, spectrum: indices[i]! }));
  const task = { kl, sequences, spectra };
  const answer = await model.gradients.compute(task, priorityClass(request.priority), options.signal);
  recordGradient(model.prepared.name, answer);
  const losses = sequenceLosses(request, answer);
  return {
    policyLoss: losses.reduce((sum, { logProb }, i) => sum - request.sequences[i]!.weight * logProb, 0),
    klLoss:
      request.klCoefficient *
      losses.reduce((sum, { kl: value }, i) => sum + request.sequences[i]!.klWeight * value, 0),
    sequences: losses,
    gradients: mixtures.map(({ hash, arms }, index) => ({
      mixtureHash: hash,
      sequences: indices.flatMap((own, i) => (own === index ? [i] : [])),
      matrices: matrixGradients(model, arms, answer.outcome.gradients[index]!),
    })),
    summary: summaryOf(model, sequences, { answer, arrivedMs }),
  };
}

/** Checks everything about the loss that needs no model. Throws INVALID_FIELD or MISSING_FIELD. */
function checkLoss(request: ComputeGradientRequest): KlKind {
  const { sequences, klCoefficient, klDirection } = request;
  if (sequences.length === 0) throw fault('sequences', 'is required', {}, 'MISSING_FIELD');
  inRange('sequences', sequences.length, { min: 1, max: SEQUENCES_MAX });
  sequences.forEach(({ weight, klWeight }, i) => {
    inRange(`sequences[${i}].weight`, weight, { min: -WEIGHT_MAX, max: WEIGHT_MAX });
    inRange(`sequences[${i}].kl_weight`, klWeight, { min: -WEIGHT_MAX, max: WEIGHT_MAX });
  });
  inRange('kl_coefficient', klCoefficient, { min: 0, max: KL_COEFFICIENT_MAX });
  const kind = KINDS.get(klDirection);
  if (!kind) throw fault('kl_direction', `there is no direction ${klDirection}`, { value: klDirection });
  if (kind === 'none' && klCoefficient > 0)
    throw fault('kl_direction', `is required where kl_coefficient is ${klCoefficient}`, {}, 'MISSING_FIELD');
  return kind;
}

function encodeSequences(
  model: ServedModel,
  { sequences, klCoefficient }: ComputeGradientRequest,
  { promptBytesMax }: RpcOptions,
): Omit<TaskSequence, 'spectrum'>[] {
  const { contextLength } = model.engine.info;
  return sequences.map(({ prompt: given, answer: ids, weight, klWeight }, i) => {
    const field = `sequences[${i}]`;
    const { ids: prompt } = encodePrompt(model, given, promptBytesMax, `${field}.prompt`);
    if (!ids || ids.ids.length === 0) throw fault(`${field}.answer`, 'has no tokens', {}, 'MISSING_FIELD');
    const answer = checkIds(model, ids.ids, `${field}.answer.ids`);
    checkContext(field, 'the prompt and the answer', prompt.length + answer.length, contextLength);
    return { prompt, answer, logProbSeed: -weight, klSeed: klCoefficient * klWeight };
  });
}

/** The distinct mixtures in the order of first use, and which of them each sequence is computed under. */
async function gatherMixtures(
  model: ServedModel,
  request: ComputeGradientRequest,
  signal: AbortSignal,
): Promise<{ readonly mixtures: readonly LoadedMixture[]; readonly indices: readonly number[] }> {
  if (request.multipliers) {
    const mixtures = [inlineMixture(model, request)];
    checkBytes(model, mixtures.length);
    return { mixtures, indices: request.sequences.map(() => 0) };
  }
  const found = new Map<string, number>();
  const mixtures: LoadedMixture[] = [];
  const load = async (mixture: Mixture | undefined): Promise<number> => {
    const loaded = await model.mixtures.load(mixture, signal);
    const known = found.get(loaded.hash);
    if (known !== undefined) return known;
    found.set(loaded.hash, mixtures.length);
    checkBytes(model, mixtures.push(loaded));
    return mixtures.length - 1;
  };
  const usesCommon = request.sequences.some(({ mixture }) => !mixture);
  const common = usesCommon ? await load(request.mixture) : 0;
  const indices: number[] = [];
  for (const { mixture } of request.sequences) indices.push(mixture ? await load(mixture) : common);
  return { mixtures, indices };
}

function inlineMixture(model: ServedModel, request: ComputeGradientRequest): LoadedMixture {
  const other = request.mixture ? 'mixture' : undefined;
  const own = request.sequences.findIndex(({ mixture }) => mixture);
  const field = other ?? (own < 0 ? undefined : `sequences[${own}].mixture`);
  if (field) throw fault(field, 'cannot be given beside multipliers: they take the place of every mixture');
  const { hash, expert } = readMultipliers(model, request.multipliers!, 'multipliers.');
  const arms: Arm[] = [{ name: `${DRAFT}@${hash}`, expert, alpha: 1, alphaPerMatrix: new Map() }];
  return { hash: mixtureHash(model.prepared.basisId, arms), arms };
}

/** Throws TOO_LARGE where the gradients of so many mixtures do not fit an answer. */
function checkBytes({ engine }: ServedModel, mixtures: number): void {
  const limit = MESSAGE_BYTES_MAX - MESSAGE_MARGIN_BYTES;
  const bytes = mixtures * engine.info.spectrumLength * Float64Array.BYTES_PER_ELEMENT;
  if (bytes <= limit) return;
  const message = `the gradients of ${mixtures} mixtures take ${bytes} bytes; an answer holds ${limit}`;
  throw fault('sequences', message, { limit, value: bytes }, 'TOO_LARGE');
}

function sequenceLosses(
  { tokenLogProbs, sequences }: ComputeGradientRequest,
  { outcome }: GradientAnswer,
): SequenceLoss[] {
  return sequences.map((_: GradientSequence, i) => ({
    logProb: sum(outcome.logProbs[i]!),
    kl: outcome.kl ? sum(outcome.kl[i]!) : 0,
    tokenLogProbs: tokenLogProbs ? [...outcome.logProbs[i]!] : [],
  }));
}

/** In f64; never −0. */
const sum = (values: Float32Array): number => values.reduce((total, value) => total + value, 0);

function matrixGradients(
  { mixtures: { matrices } }: ServedModel,
  arms: readonly Arm[],
  spectrumGradient: Float64Array,
): MixtureGradient['matrices'] {
  return multiplierGradient(matrices, arms, spectrumGradient).map(
    ({ buffer, byteOffset, byteLength }, index) => ({
      matrix: matrices[index]!.name,
      values: new Uint8Array(buffer as ArrayBuffer, byteOffset, byteLength),
    }),
  );
}

function summaryOf(
  { prepared }: ServedModel,
  sequences: readonly TaskSequence[],
  { answer, arrivedMs }: { readonly answer: GradientAnswer; readonly arrivedMs: number },
): NonNullable<ComputeGradientResponse['summary']> {
  const { plan, times } = answer;
  const count = (of: 'prompt' | 'answer'): bigint =>
    BigInt(sequences.reduce((total, sequence) => total + sequence[of].length, 0));
  return {
    modelFingerprint: prepared.fingerprint,
    basisId: prepared.basisId,
    promptTokens: count('prompt'),
    answerTokens: count('answer'),
    computedTokens: BigInt(plan.computedTokens),
    parts: plan.parts,
    queueMs: times.startedMs - times.arrivedMs,
    computeMs: times.endedMs - times.startedMs,
    totalMs: monotonicMs() - arrivedMs,
    plannedBytes: BigInt(plan.plannedBytes),
  };
}
