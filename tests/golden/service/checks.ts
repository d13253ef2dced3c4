import assert from 'node:assert/strict';
import { type Asked, askGreedy, askLogits } from './ask.js';
import type { GoldenAdapted, GoldenFolder } from './golden-folder.js';
import { expertsOf, type GoldenMesh, ONES } from './golden-mesh.js';

/** Largest error of a logit, as a share of the largest logit. */
export const TOLERANCE = 2e-4;

/** What one way of adapting came to. */
export interface CheckResult {
  /** Largest logit error over the largest logit, over all prompts. */
  readonly error: number;
  readonly tokensEqual: number;
  /** Tokens after a step whose two best nearly tie, where paths may part. */
  readonly tokensBehindTie: number;
}

/** Checks logits and greedy tokens of the base (null) or one way of adapting, over all prompts. Throws where they differ. */
export async function checkAdapted(
  mesh: GoldenMesh,
  golden: GoldenFolder,
  adapted: GoldenAdapted | null,
): Promise<CheckResult> {
  const tag = adapted?.tag ?? 'base';
  const total = { error: 0, tokensEqual: 0, tokensBehindTie: 0 };
  for (const [index, prompt] of golden.prompts.entries()) {
    const asked: Asked = { model: golden.name, prompt, mixture: mesh.mixture(golden, adapted) };
    const where = `${golden.name}, ${tag}, prompt ${index}`;
    const expected = golden.tensors.get(`logits/${tag}/${index}`);
    assert(expected, `${where}: golden.safetensors has no logits`);
    const logits = await askLogits(mesh, asked);
    const { error, largest } = compareLogits(logits, expected.data);
    assert(error <= TOLERANCE, `${where}: logits differ by ${error} of the largest`);
    total.error = Math.max(total.error, error);
    const greedy = (adapted?.greedy ?? golden.greedy)[index]!;
    const tokens = await askGreedy(mesh, asked, greedy.length);
    assert.equal(tokens.length, greedy.length, `${where}: number of greedy tokens`);
    const parted = tokens.findIndex(({ token }, i) => token !== greedy[i]);
    if (parted >= 0) {
      const { lead } = tokens[parted]!;
      assert(
        lead <= 2 * TOLERANCE * largest,
        `${where}: greedy token ${parted} is ${tokens[parted]!.token}, not ${greedy[parted]}, with a lead of ${lead}`,
      );
    }
    total.tokensEqual += parted < 0 ? tokens.length : parted;
    total.tokensBehindTie += parted < 0 ? 0 : tokens.length - parted;
  }
  return total;
}

/** Checks what must be equal bit for bit: ways to say the base, and one-hot mixtures. Throws where they differ. */
export async function checkBits(mesh: GoldenMesh, golden: GoldenFolder): Promise<void> {
  const prompt = golden.prompts.at(-1)!;
  const logits = (mixture: GoldenAdapted['mixture'] | null, normalisation: 'none' | 'trace' = 'none') => {
    const adapted = mixture && { mixture, normalisation };
    return askLogits(mesh, { model: golden.name, prompt, mixture: mesh.mixture(golden, adapted) });
  };
  const [first, second = 'base'] = [...expertsOf(golden).keys()].filter((name) => name !== ONES);
  assert(first, 'golden.safetensors has no expert');
  const base = await logits(null);
  assert.deepEqual(await logits([]), base, 'an empty mixture is not the base');
  assert.deepEqual(await logits([{ expert: 'base', alpha: 1 }]), base, 'base = 1 is not the base');
  for (const normalisation of ['none', 'trace'] as const) {
    const ones = await logits([{ expert: ONES, alpha: 1 }], normalisation);
    assert.deepEqual(ones, base, `an expert of ones under ${normalisation} is not the base`);
    const expert = await logits([{ expert: first, alpha: 1 }], normalisation);
    const oneHot = await logits(
      [
        { expert: second, alpha: 0 },
        { expert: first, alpha: 1 },
      ],
      normalisation,
    );
    assert.deepEqual(oneHot, expert, `a one-hot mixture under ${normalisation} is not its expert`);
    assert.notDeepEqual(expert, base, 'an expert changes nothing');
  }
}

/** Largest difference as a share of the largest magnitude. */
export function compareLogits(
  actual: Float32Array,
  expected: Float32Array | Float64Array,
): { readonly error: number; readonly largest: number } {
  assert.equal(actual.length, expected.length, 'number of logits');
  let largest = 0;
  let difference = 0;
  for (let i = 0; i < expected.length; i++) {
    largest = Math.max(largest, Math.abs(expected[i]!));
    difference = Math.max(difference, Math.abs(expected[i]! - actual[i]!));
  }
  return { error: difference / largest, largest };
}
