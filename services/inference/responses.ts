import type { CacheUse, TokenLogProbs, Usage } from '#proto/zmesh/v1/common.js';
import {
  AnswerEnd,
  type GenerateTokensResponse,
  type PassSummary,
  TokenDelta,
} from '#proto/zmesh/v1/inference.js';
import { normalisationValue } from '#shared/svf/normalisation.js';
import { monotonicMs } from '#shared/telemetry/clock.js';
import { phaseDurations } from './engine/phases.js';
import type { RequestTimes, TokenMessage } from './engine/protocol.js';
import type { SpectrumLease } from './engine/spectra.js';
import type { ServedModel } from './served-model.js';

/** What a pass's summary is made of. */
export interface SummaryFacts {
  readonly model: ServedModel;
  readonly mixture: Pick<SpectrumLease, 'mixture' | 'normalisation'>;
  readonly cache: CacheUse;
  readonly usage: Pick<Usage, 'promptTokens' | 'completionTokens'>;
  readonly times: RequestTimes;
  /** When the service got the request, `monotonicMs()`. */
  readonly arrivedMs: number;
  /** 0 where nothing is drawn. */
  readonly seed: bigint;
}

/** The summary of one pass. */
export function passSummary({
  model,
  mixture,
  cache,
  usage,
  times,
  arrivedMs,
  seed,
}: SummaryFacts): PassSummary {
  return {
    modelFingerprint: model.prepared.fingerprint,
    basisId: model.prepared.basisId,
    mixtureHash: mixture.mixture,
    normalisation: normalisationValue(mixture.normalisation),
    usage: { ...usage, cachedPromptTokens: times.cachedTokens },
    timing: { ...phaseDurations(times), totalMs: monotonicMs() - arrivedMs },
    cache,
    seed,
  };
}

/** A token's log-probabilities, if they were asked for. */
export function tokenLogProbs({
  token,
  logProb,
  top = [],
}: Omit<TokenMessage, 'id'>): TokenLogProbs | undefined {
  if (logProb === undefined) return undefined;
  return {
    token: { tokenId: token, logProb },
    top: top.map((one) => ({ tokenId: one.token, logProb: one.logProb })),
  };
}

/** A message of new tokens. */
export const deltaResponse = (delta: Partial<TokenDelta>): GenerateTokensResponse => ({
  event: { $case: 'delta', value: TokenDelta.create(delta) },
});

/** A message of an answer's end. */
export const endResponse = (end: Partial<AnswerEnd>): GenerateTokensResponse => ({
  event: { $case: 'end', value: AnswerEnd.create(end) },
});
