import { Priority } from '#proto/zmesh/v1/common.js';
import {
  type ComputeGradientRequest,
  type ComputeGradientResponse,
  KlDirection,
} from '#proto/zmesh/v1/inference.js';
import { ZmeshError } from '#shared/errors.js';
import { askPatiently } from '#shared/patience.js';
import { runPool } from '#shared/pool.js';
import { normalisationValue } from '#shared/svf/normalisation.js';
import { writeVectors } from '#shared/svf/vectors.js';
import type { GradientRequest, GradientResult } from './algorithms/algorithm.js';
import { type InferenceTrialsOptions, OVERRUNS, promptOf } from './trials-options.js';

/** A direction as the contract names it. */
const KL_DIRECTIONS = {
  'reference-to-policy': KlDirection.REFERENCE_TO_POLICY,
  'policy-to-reference': KlDirection.POLICY_TO_REFERENCE,
} as const;

/** Gradient calls of one step at once: with several replicas each has one. */
const CALLS_MAX = 4;

/**
 * The loss and its gradient by ComputeGradient. A step of many answers is cut into calls of equal size whatever the number
 * of replicas, and their parts are added in f64 in the order of the answers: the same bits with one replica or with many
 * that compute alike.
 */
export async function gradientOf(
  options: InferenceTrialsOptions,
  request: GradientRequest,
  signal: AbortSignal,
): Promise<GradientResult> {
  const { mesh, model, gradientSequences, callTimeoutMs } = options;
  const multipliers = {
    vectors: writeVectors(request.multipliers),
    normalisation: normalisationValue(request.normalisation),
  };
  const withKl = request.answers.some(({ klWeight }) => klWeight !== 0);
  const parts: ComputeGradientRequest[] = [];
  for (let start = 0; start < request.answers.length; start += gradientSequences) {
    const answers = request.answers.slice(start, start + gradientSequences);
    parts.push({
      requestId: '',
      model: model.served.name,
      sequences: answers.map(({ item, tokenIds, weight, klWeight }) => ({
        prompt: promptOf(item),
        answer: { ids: [...tokenIds] },
        weight,
        klWeight,
        mixture: undefined,
      })),
      mixture: undefined,
      multipliers,
      klCoefficient: withKl ? 1 : 0,
      klDirection: withKl ? KL_DIRECTIONS[request.klDirection] : KlDirection.UNSPECIFIED,
      tokenLogProbs: false,
      priority: Priority.BATCH,
    });
  }
  const results: ComputeGradientResponse[] = new Array(parts.length);
  await runPool([...parts.keys()], { concurrency: CALLS_MAX, signal }, async (index, stopped) => {
    const call = { signal: stopped, timeoutMs: callTimeoutMs };
    results[index] = await askPatiently('a gradient', { signal: stopped, overruns: OVERRUNS }, () =>
      mesh.inference.computeGradient(parts[index]!, call),
    );
  });
  return sumOf(results, request);
}

function sumOf(
  results: readonly ComputeGradientResponse[],
  { multipliers }: GradientRequest,
): GradientResult {
  const gradient = new Map([...multipliers].map(([name, { length }]) => [name, new Float64Array(length)]));
  let policyLoss = 0;
  for (const result of results) {
    policyLoss += result.policyLoss;
    for (const { matrix, values } of result.gradients[0]?.matrices ?? []) {
      const sum = gradient.get(matrix);
      if (!sum) continue;
      // A copy: the bytes of a message lie at any alignment.
      const part = new Float64Array(new Uint8Array(values).buffer);
      if (part.length !== sum.length)
        throw new ZmeshError(
          'INTERNAL',
          `the gradient of ${matrix} has ${part.length} numbers, not ${sum.length}`,
        );
      for (let i = 0; i < sum.length; i++) sum[i]! += part[i]!;
    }
  }
  const sequences = results.flatMap((result) => result.sequences);
  return {
    policyLoss,
    logProbs: sequences.map(({ logProb }) => logProb),
    kls: sequences.map(({ kl }) => kl ?? 0),
    gradient,
  };
}
