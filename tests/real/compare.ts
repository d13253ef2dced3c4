import assert from 'node:assert/strict';
import { type Mixture, Prompt, Sampling } from '#proto/zmesh/v1/common.js';
import { GenerateTokensRequest, LogitsScope, ScoreRequest } from '#proto/zmesh/v1/inference.js';
import type { GoldenAnswer } from './golden-file.js';
import { MODEL, type RealMesh } from './real-mesh.js';

/** How far an answer was from the reference. */
export interface Difference {
  /** Largest error of the 20 logits. */
  readonly logit: number;
  /** Largest error of their log-probabilities, the golden log Σ exp taken from the golden logits. */
  readonly logProb: number;
  readonly tokensEqual: number;
  /** Tokens after a step whose two best are nearer than the logits' error, where paths may part. */
  readonly tokensBehindTie: number;
}

/** A prompt of token ids. */
export const tokensPrompt = (ids: readonly number[]): Prompt =>
  Prompt.create({ input: { $case: 'tokens', value: { ids: [...ids] } } });

/**
 * Compares the first token's logits and the greedy tokens with the reference. Throws where a logit or log-probability is
 * off by more than `tolerance`, where a token outside the reference's 20 best comes before them by more, or where greedy
 * tokens part at a step whose margin exceeds twice the tolerance.
 */
export async function compareAnswer(
  mesh: RealMesh,
  { golden, mixture, tolerance }: { golden: GoldenAnswer; mixture: Mixture | undefined; tolerance: number },
): Promise<Difference> {
  const errors = await compareFirstToken(mesh, { golden, mixture, tolerance });
  const tokens = await greedy(mesh, golden, mixture);
  assert.equal(tokens.length, golden.greedy_ids.length, 'number of greedy tokens');
  const parted = tokens.findIndex((token, step) => token !== golden.greedy_ids[step]);
  if (parted >= 0) {
    const margin = golden.greedy_margin[parted]!;
    assert(
      margin <= 2 * tolerance,
      `step ${parted}: ${tokens[parted]} instead of ${golden.greedy_ids[parted]}, whose lead is ${margin}`,
    );
  }
  const tokensEqual = parted < 0 ? tokens.length : parted;
  return { ...errors, tokensEqual, tokensBehindTie: tokens.length - tokensEqual };
}

async function compareFirstToken(
  { inference }: RealMesh,
  { golden, mixture, tolerance }: { golden: GoldenAnswer; mixture: Mixture | undefined; tolerance: number },
): Promise<Pick<Difference, 'logit' | 'logProb'>> {
  const prompt = tokensPrompt(golden.prompt_ids);
  const request = ScoreRequest.create({ model: MODEL, prompt, logits: LogitsScope.LAST });
  const { logits } = await inference.score({ ...request, mixture });
  const values = floats(logits!.values);
  const logSumExp = floats(logits!.logSumExp)[0]!;
  const { ids, logits: expected, logsumexp } = golden.first_token_top20;
  let logit = 0;
  let logProb = 0;
  ids.forEach((id, rank) => {
    logit = Math.max(logit, Math.abs(values[id]! - expected[rank]!));
    logProb = Math.max(logProb, Math.abs(values[id]! - logSumExp - (expected[rank]! - logsumexp)));
  });
  assert(logit <= tolerance, `a logit is off by ${logit}, more than ${tolerance}`);
  assert(logProb <= tolerance, `a log-probability is off by ${logProb}, more than ${tolerance}`);
  const best = new Set(ids);
  const other = values.findIndex((value, id) => !best.has(id) && value > expected.at(-1)! + tolerance);
  assert.equal(other, -1, `token ${other} is before the 20th best`);
  return { logit, logProb };
}

async function greedy(
  { inference }: RealMesh,
  golden: GoldenAnswer,
  mixture: Mixture | undefined,
): Promise<number[]> {
  const sampling = Sampling.create({ maxTokens: golden.greedy_ids.length, ignoreEos: true });
  const prompt = tokensPrompt(golden.prompt_ids);
  const request = GenerateTokensRequest.create({ model: MODEL, prompt, sampling });
  const tokens: number[] = [];
  for await (const { event } of inference.generateTokens({ ...request, mixture }))
    if (event?.$case === 'delta') tokens.push(...event.value.tokenIds);
  return tokens;
}

/** A copy: the bytes of a message lie at any alignment. */
const floats = (bytes: Uint8Array): Float32Array => new Float32Array(new Uint8Array(bytes).buffer);
