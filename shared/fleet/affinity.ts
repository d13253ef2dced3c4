import type { Mixture, Prompt } from '#proto/zmesh/v1/common.js';
import { sha256Hex } from '../ids.js';

/** How much of a text or of token ids counts. */
const TEXT_CHARACTERS = 512;
const TOKENS = 128;
/** Digits of a version in announcements. */
const EXPERT_DIGITS = 16;

/**
 * What requests share whose keys and values may be reused: the mixture and how the prompt begins. A conversation keeps its
 * key from turn to turn, since what counts of it is all up to the first message of its user.
 */
export function affinityKey(request: {
  readonly model: string;
  readonly mixture: Mixture | undefined;
  readonly prompt: Prompt | undefined;
}): string {
  const arms = (request.mixture?.arms ?? []).map(({ expert, alpha, alphaPerMatrix }) => [
    expert,
    alpha,
    alphaPerMatrix,
  ]);
  return sha256Hex(JSON.stringify([request.model, arms, beginning(request.prompt)]));
}

/** The expert versions of a mixture, cut as in the announcements. */
export function mixtureExperts(mixture: Mixture | undefined): string[] {
  return (mixture?.arms ?? []).flatMap(({ expert }) => {
    const version = expert.split('@')[1];
    return version === undefined ? [] : version.slice(0, EXPERT_DIGITS);
  });
}

function beginning(prompt: Prompt | undefined): unknown {
  const input = prompt?.input;
  if (input?.$case === 'text') return input.value.slice(0, TEXT_CHARACTERS);
  if (input?.$case === 'tokens') return input.value.ids.slice(0, TOKENS);
  if (input?.$case !== 'chat') return null;
  const { messages } = input.value;
  const user = messages.findIndex(({ role }) => role === 'user');
  return messages.slice(0, user + 1).map(({ role, content }) => [role, content]);
}
