import assert from 'node:assert/strict';
import { Normalisation } from '#proto/zmesh/v1/common.js';
import {
  ComputeGradientRequest,
  type ComputeGradientResponse,
  GradientSequence,
  KlDirection,
} from '#proto/zmesh/v1/inference.js';
import { writeVectors } from '#shared/svf/vectors.js';
import type { GoldenFolder, GoldenGradient } from './golden-folder.js';
import type { GoldenMesh } from './golden-mesh.js';

/** Largest error of a gradient's entry, as a share of its matrix's largest. */
export const GRADIENT_TOLERANCE = 1e-3;
/** Largest relative error of losses, log-probabilities and divergences. */
const LOSS_TOLERANCE = 1e-5;

/** What one gradient came to: its largest error over its matrices, each as a share of the matrix's largest entry. */
export interface GradientCheck {
  readonly error: number;
  readonly matrices: number;
}

/** Computes a golden gradient through the service and compares all of it. Throws where it differs. */
export async function checkGradient(
  { client }: GoldenMesh,
  golden: GoldenFolder,
  wanted: GoldenGradient,
): Promise<GradientCheck> {
  const multipliers = multipliersOf(golden, wanted);
  const answer = await client.computeGradient(gradientRequest(golden, wanted, multipliers));
  const close = (actual: number, expected: number, what: string): void =>
    assert.ok(
      Math.abs(actual - expected) <= LOSS_TOLERANCE * Math.max(1, Math.abs(expected)),
      `${golden.name}, ${wanted.tag}, ${what}: ${actual}, not ${expected}`,
    );
  close(answer.policyLoss + answer.klLoss, wanted.loss, 'loss');
  answer.sequences.forEach((sequence, i) => {
    close(sequence.logProb, wanted.log_prob[i]!, `log-probability of sequence ${i}`);
    close(sequence.kl, wanted.kl[i]!, `KL of sequence ${i}`);
  });
  const actual = gradientsOf(answer);
  let error = 0;
  for (const [matrix, m] of multipliers) {
    const expected = golden.tensors.get(`gradient/${wanted.tag}/${matrix}`);
    assert.ok(expected, `golden.safetensors has the gradient of ${matrix}`);
    const chained = actual.get(matrix)!.map((value, i) => value * chain(wanted, m[i]!));
    const difference = relativeError(chained, expected.data);
    assert.ok(
      difference <= GRADIENT_TOLERANCE,
      `${golden.name}, ${wanted.tag}, ${matrix}: the gradient differs by ${difference} of its largest entry`,
    );
    error = Math.max(error, difference);
  }
  return { error, matrices: multipliers.size };
}

/** The request of a golden gradient; rewards and the mean over sequences become weights. */
export function gradientRequest(
  { name }: GoldenFolder,
  wanted: GoldenGradient,
  multipliers: ReadonlyMap<string, Float32Array>,
): ComputeGradientRequest {
  const share = 1 / wanted.sequences.length;
  return ComputeGradientRequest.create({
    model: name,
    sequences: wanted.sequences.map(({ prompt, answer, reward }) =>
      GradientSequence.create({
        prompt: { input: { $case: 'tokens', value: { ids: [...prompt] } } },
        answer: { ids: [...answer] },
        weight: reward * share,
        klWeight: share,
      }),
    ),
    multipliers: {
      vectors: writeVectors(multipliers),
      normalisation: wanted.normalisation === 'trace' ? Normalisation.TRACE : Normalisation.NONE,
    },
    klCoefficient: wanted.kl_coefficient,
    klDirection:
      wanted.kl_direction === 'reference_to_policy'
        ? KlDirection.REFERENCE_TO_POLICY
        : KlDirection.POLICY_TO_REFERENCE,
  });
}

/** Where a golden gradient is taken: the expert's multipliers, or sigmoid(p). */
export function multipliersOf(
  { tensors }: GoldenFolder,
  { expert, parameter, tag }: GoldenGradient,
): ReadonlyMap<string, Float32Array> {
  const prefix = parameter === 'm' ? `expert/${expert}/` : `gradient/${tag}/at/`;
  const found = [...tensors].filter(([key]) => key.startsWith(prefix));
  assert.ok(found.length > 0, `golden.safetensors has ${prefix}`);
  return new Map(
    found.map(([key, { data }]) => [
      key.slice(prefix.length),
      Float32Array.from(data, (value) => (parameter === 'm' ? value : 1 / (1 + Math.exp(-value)))),
    ]),
  );
}

/** The one mixture's gradient by matrix. */
export function gradientsOf({ gradients }: ComputeGradientResponse): ReadonlyMap<string, Float64Array> {
  assert.equal(gradients.length, 1);
  return new Map(
    gradients[0]!.matrices.map(({ matrix, values }) => [
      matrix,
      new Float64Array(new Uint8Array(values).buffer),
    ]),
  );
}

/** dm / dparameter. */
const chain = ({ parameter }: GoldenGradient, m: number): number => (parameter === 'm' ? 1 : m * (1 - m));

function relativeError(actual: Float64Array, given: Float32Array | Float64Array): number {
  const expected = Float64Array.from(given);
  assert.equal(actual.length, expected.length);
  const largest = expected.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  return actual.reduce((most, value, i) => Math.max(most, Math.abs(value - expected[i]!)), 0) / largest;
}
