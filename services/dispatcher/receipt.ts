import { Receipt } from '#proto/zmesh/v1/dispatcher.js';
import type { PassSummary, ServedModel } from '#proto/zmesh/v1/inference.js';
import { BASE, parseExpertName } from '#shared/svf/names.js';
import type { Question } from './question.js';
import type { Choice } from './strategy.js';
import { timingOf } from './timing.js';

/** Pass 2 as it went. */
export interface SecondPass {
  readonly summary: PassSummary;
  /** When it began, on performance.now's clock. */
  readonly startMs: number;
}

/** Everything a receipt tells. */
export interface ReceiptParts {
  readonly question: Question;
  readonly model: ServedModel;
  readonly choice: Choice;
  /** Undefined where only pass 1 ran. */
  readonly second: SecondPass | undefined;
  /** Age of the registry's view when the mixture was found, seconds. */
  readonly registryAgeS: number;
}

/** Writes the receipt of a request. */
export function receiptOf({ question, model, choice, second, registryAgeS }: ReceiptParts): Receipt {
  const summary = second?.summary;
  return Receipt.create({
    requestId: question.requestId,
    traceId: question.traceId,
    model: model.name,
    modelFingerprint: summary?.modelFingerprint ?? model.fingerprint,
    basisId: summary?.basisId ?? model.basisId,
    strategy: question.strategy.kind,
    strategyUsed: choice.used,
    strategyReason: choice.reason,
    classification: choice.firstPass?.classification,
    arms: [...choice.arms],
    normalisation: summary?.normalisation ?? 0,
    mixtureHash: summary?.mixtureHash ?? '',
    firstPass: choice.firstPass?.timing,
    firstPassCache: choice.firstPass?.cache,
    firstPassUsage: choice.firstPass?.usage,
    secondPass: second && timingOf(second.summary, second.startMs),
    secondPassCache: summary?.cache,
    usage: summary?.usage,
    seed: summary?.seed ?? 0n,
    registryAgeS,
    adaptation: choice.adaptation ?? '',
    totalMs: performance.now() - question.arrivedMs,
  });
}

/** Most arms that the short form lists: with the longest names it stays far under gRPC's usual 8 KiB of metadata. */
const SHORT_ARMS_MAX = 16;

/** The short form for trailing metadata: one line of ASCII JSON, versions cut to 12 digits, times in milliseconds. */
export function shortReceipt(receipt: Receipt): string {
  const { classification, arms, firstPass, secondPass, usage } = receipt;
  const shown = arms.slice(0, SHORT_ARMS_MAX);
  const short = {
    model: receipt.model,
    strategy: receipt.strategyUsed,
    ...(classification && {
      label: classification.label,
      confidence: round(classification.confidence, 4),
      abstained: classification.abstained,
    }),
    ...(receipt.adaptation && { adaptation: shortName(receipt.adaptation) }),
    arms: Object.fromEntries(shown.map(({ expert, alpha }) => [shortName(expert), round(alpha, 4)])),
    ...(arms.length > shown.length && { arms_left_out: arms.length - shown.length }),
    ...(firstPass && { first_pass_ms: round(firstPass.totalMs, 2) }),
    ...(secondPass && { second_pass_ms: round(secondPass.totalMs, 2) }),
    ...(usage && { prompt_tokens: usage.promptTokens, completion_tokens: usage.completionTokens }),
    total_ms: round(receipt.totalMs, 2),
  };
  return JSON.stringify(short);
}

/** `expert@` and 12 digits of the version, or `base`. */
export function shortName(exact: string): string {
  if (exact === BASE) return BASE;
  const { expert, selector } = parseExpertName(exact);
  return `${expert}@${selector?.slice(0, 12)}`;
}

function round(value: number, digits: number): number {
  return Number(value.toFixed(digits));
}
