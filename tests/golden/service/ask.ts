import { type Mixture, Prompt, Sampling } from '#proto/zmesh/v1/common.js';
import { GenerateTokensRequest, LogitsScope, ScoreRequest } from '#proto/zmesh/v1/inference.js';
import type { GoldenMesh } from './golden-mesh.js';

/** What is asked: token ids of a model under a mixture. */
export interface Asked {
  readonly model: string;
  readonly prompt: readonly number[];
  readonly mixture: Mixture | undefined;
}

/** One greedy token: its log-probability and its lead over the second best. */
export interface GreedyToken {
  readonly token: number;
  readonly logProb: number;
  readonly lead: number;
}

/** Logits after every prompt token, [tokens, vocabulary], or after the last one. */
export async function askLogits(
  { client }: GoldenMesh,
  { model, prompt, mixture }: Asked,
  scope: 'prompt' | 'last' = 'prompt',
): Promise<Float32Array> {
  const logits = scope === 'prompt' ? LogitsScope.PROMPT : LogitsScope.LAST;
  const request = ScoreRequest.create({ model, prompt: promptOf(prompt), logits });
  const { values } = (await client.score({ ...request, mixture })).logits!;
  // A copy: the message is a Buffer inside a larger one, at any alignment.
  return new Float32Array(new Uint8Array(values).buffer);
}

/** `count` greedy tokens, past any end of text. */
export async function askGreedy(
  { client }: GoldenMesh,
  { model, prompt, mixture }: Asked,
  count: number,
): Promise<readonly GreedyToken[]> {
  const sampling = Sampling.create({ maxTokens: count, ignoreEos: true, topLogProbs: 2 });
  const request = GenerateTokensRequest.create({ model, prompt: promptOf(prompt), sampling });
  const tokens: GreedyToken[] = [];
  for await (const { event } of client.generateTokens({ ...request, mixture })) {
    if (event?.$case !== 'delta') continue;
    for (const { token, top } of event.value.logProbs) {
      const lead = top[0]!.logProb - top[1]!.logProb;
      tokens.push({ token: token!.tokenId, logProb: token!.logProb, lead });
    }
  }
  return tokens;
}

const promptOf = (ids: readonly number[]): Prompt =>
  Prompt.create({ input: { $case: 'tokens', value: { ids: [...ids] } } });
