import type { Mixture } from '#proto/zmesh/v1/common.js';
import { Normalisation } from '#proto/zmesh/v1/common.js';
import {
  ClassifyResponse,
  CompleteRequest,
  CompleteResponse,
  GenerateRequest,
  GenerateResponse,
  type Receipt,
  type Strategy,
} from '#proto/zmesh/v1/dispatcher.js';
import {
  GenerateTokensRequest,
  GenerateTokensResponse,
  type PassSummary,
  ScoreRequest,
  ScoreResponse,
} from '#proto/zmesh/v1/inference.js';
import type { HostileRequest } from './requests.js';

/** Streams that may be empty. */
const STREAMS = new Set(['VerifyRegistry', 'ExportRegistry']);

/**
 * What is wrong with an OK answer as to what it was adapted with: under an expert or a mixture its receipt must show those
 * experts and a mixture that is not the base's; where a label was asked for, what pass 1 found. Undefined = nothing.
 */
export function adaptationFault(
  { method, messages }: Pick<HostileRequest, 'method' | 'messages'>,
  answers: readonly Buffer[],
  baseHash: string,
): string | undefined {
  const asked = messages[0]!;
  const last = answers.at(-1);
  if (!last) return STREAMS.has(method.name) ? undefined : 'OK without an answer';
  switch (method.name) {
    case 'Generate': {
      const event = GenerateResponse.decode(last).event;
      if (event?.$case !== 'receipt') return 'a stream ended well without its receipt';
      return receiptFault(GenerateRequest.decode(asked).strategy, event.value, baseHash);
    }
    case 'Complete': {
      const { receipt } = CompleteResponse.decode(last);
      return receiptFault(CompleteRequest.decode(asked).request?.strategy, receipt, baseHash);
    }
    case 'Classify': {
      const { classification } = ClassifyResponse.decode(last);
      return classification ? undefined : 'a classification without a label';
    }
    case 'GenerateTokens': {
      const event = GenerateTokensResponse.decode(last).event;
      if (event?.$case !== 'summary') return 'a stream ended well without its summary';
      return summaryFault(GenerateTokensRequest.decode(asked).mixture, event.value, baseHash);
    }
    case 'Score':
      return summaryFault(ScoreRequest.decode(asked).mixture, ScoreResponse.decode(last).summary, baseHash);
    default:
      return undefined;
  }
}

function receiptFault(
  strategy: Strategy | undefined,
  receipt: Receipt | undefined,
  baseHash: string,
): string | undefined {
  if (!receipt) return 'an answer without a receipt';
  const kind = strategy?.kind ?? { $case: 'auto' as const };
  if (receipt.strategy !== kind.$case) return `asked for ${kind.$case}, the receipt says ${receipt.strategy}`;
  const shown = receipt.arms.map(({ expert }) => plainName(expert));
  switch (kind.$case) {
    case 'none':
      return receipt.mixtureHash === baseHash ? undefined : 'not the base, though none was asked for';
    case 'expert':
      return missing([kind.value.expert], shown) ?? notBase(receipt.mixtureHash, baseHash);
    case 'mixture': {
      const asked = counted(kind.value.mixture);
      return (
        missing(asked, shown) ?? (asked.some(isExpert) ? notBase(receipt.mixtureHash, baseHash) : undefined)
      );
    }
    case 'auto':
      return receipt.strategyReason === '' ? 'auto without a reason' : undefined;
    default:
      return receipt.classification ? undefined : `${kind.$case} without a label`;
  }
}

function summaryFault(
  mixture: Mixture | undefined,
  summary: PassSummary | undefined,
  baseHash: string,
): string | undefined {
  if (!summary) return 'an answer without a summary';
  if (!counted(mixture).some(isExpert)) return undefined;
  if (summary.normalisation === Normalisation.UNSPECIFIED) return 'a mixture without a normalisation';
  return notBase(summary.mixtureHash, baseHash);
}

/** Names of the arms that weigh something anywhere. */
function counted(mixture: Mixture | undefined): string[] {
  const arms = mixture?.arms ?? [];
  return arms
    .filter(({ alpha, alphaPerMatrix }) => alpha > 0 || Object.values(alphaPerMatrix).some((own) => own > 0))
    .map(({ expert }) => expert);
}

const plainName = (name: string): string => name.replace(/^.*\//, '').replace(/@.*$/, '');
const isExpert = (name: string): boolean => plainName(name) !== 'base';

function missing(asked: readonly string[], shown: readonly string[]): string | undefined {
  const lost = asked.find((name) => isExpert(name) && !shown.includes(plainName(name)));
  return lost === undefined
    ? undefined
    : `asked for ${lost}, the receipt shows ${shown.join(', ') || 'the base'}`;
}

const notBase = (hash: string, baseHash: string): string | undefined =>
  hash === baseHash ? 'a silent base answer' : undefined;
