import { Priority } from '#proto/zmesh/v1/common.js';
import {
  type ClassifyRequest,
  type FirstPass,
  FirstPassBlend,
  FirstPassMode,
  type GenerateRequest,
  type Strategy,
} from '#proto/zmesh/v1/dispatcher.js';
import { type Reason, ZmeshError } from '#shared/errors.js';
import { requestIdOr } from '#shared/ids.js';
import type { CallContext } from '#shared/rpc/call.js';
import { activeTraceId } from '#shared/telemetry/spans.js';
import type { DispatcherSettings } from './config.js';
import type { AskedStrategy, FirstPassSettings, GenerationQuestion, Question } from './question.js';
import { checkPrompt } from './request-prompt.js';

/** Settings that a request is checked against and that stand in for what it leaves out. */
export type RequestSettings = Pick<
  DispatcherSettings,
  | 'defaultStrategy'
  | 'abstainThreshold'
  | 'firstPassMode'
  | 'firstPassBlend'
  | 'messagesMax'
  | 'promptBytesMax'
  | 'answersMax'
>;

type Common = Pick<GenerateRequest, 'requestId' | 'model' | 'prompt' | 'priority'>;

/** Checks a request for answers and fills in the deployment's defaults. Throws INVALID_FIELD, MISSING_FIELD or TOO_LARGE. */
export function generationQuestion(
  request: GenerateRequest,
  call: CallContext,
  settings: RequestSettings,
): GenerationQuestion {
  const n = request.n === 0 ? 1 : request.n;
  if (n > settings.answersMax) {
    throw fault('n', `at most ${settings.answersMax} answers can be asked for, not ${n}`, {
      limit: settings.answersMax,
      value: n,
    });
  }
  const strategy = askedStrategy(request.strategy, settings.defaultStrategy, settings);
  return { ...commonOf(request, call, settings), strategy, sampling: request.sampling, n };
}

/** Checks a request for pass 1 alone. Throws as `generationQuestion`, also for strategies without a pass 1 and for token ids. */
export function classificationQuestion(
  request: ClassifyRequest,
  call: CallContext,
  settings: RequestSettings,
): Question {
  const strategy = askedStrategy(request.strategy, 'auto', settings);
  if (strategy.kind === 'none' || strategy.kind === 'expert' || strategy.kind === 'mixture') {
    throw fault('strategy', `${strategy.kind} has no pass 1; give prompt, classifier or auto`, {
      value: strategy.kind,
    });
  }
  if (request.prompt?.input?.$case === 'tokens')
    throw fault('prompt.tokens', 'token ids cannot be classified; give messages or text');
  return { ...commonOf(request, call, settings), strategy };
}

function commonOf(request: Common, call: CallContext, settings: RequestSettings): Omit<Question, 'strategy'> {
  if (!Object.values<number>(Priority).includes(request.priority))
    throw fault('priority', `there is no priority ${request.priority}`, { value: request.priority });
  return {
    requestId: requestIdOr(request.requestId),
    model: request.model,
    prompt: checkPrompt(request.prompt, settings),
    priority: request.priority,
    signal: call.signal,
    deadline: call.deadline,
    traceId: activeTraceId(),
    arrivedMs: performance.now(),
  };
}

function askedStrategy(
  given: Strategy | undefined,
  otherwise: RequestSettings['defaultStrategy'],
  settings: RequestSettings,
): AskedStrategy {
  const kind = given?.kind;
  const first = (firstPass: FirstPass | undefined): FirstPassSettings =>
    firstPassSettings(firstPass, `strategy.${kind?.$case}.first_pass`, settings);
  if (!kind) {
    return otherwise === 'none'
      ? { kind: otherwise }
      : { kind: otherwise, firstPass: first(undefined), expert: undefined };
  }
  switch (kind.$case) {
    case 'none':
      return { kind: 'none' };
    case 'expert':
      if (kind.value.expert === '') throw fault('strategy.expert.expert', 'is missing', {}, 'MISSING_FIELD');
      return { kind: 'expert', expert: kind.value.expert };
    case 'mixture':
      if (!kind.value.mixture) throw fault('strategy.mixture.mixture', 'is missing', {}, 'MISSING_FIELD');
      return { kind: 'mixture', arms: kind.value.mixture.arms };
    case 'adaptation':
      if (kind.value.adaptation === '')
        throw fault('strategy.adaptation.adaptation', 'is missing', {}, 'MISSING_FIELD');
      return { kind: 'adaptation', adaptation: kind.value.adaptation };
    case 'classifier':
      return {
        kind: 'classifier',
        firstPass: first(kind.value.firstPass),
        expert: kind.value.expert || undefined,
      };
    default:
      return { kind: kind.$case, firstPass: first(kind.value.firstPass) };
  }
}

const MODES = new Map<number, FirstPassSettings['mode']>([
  [FirstPassMode.SCORE, 'score'],
  [FirstPassMode.GENERATE, 'generate'],
]);
const BLENDS = new Map<number, FirstPassSettings['blend']>([
  [FirstPassBlend.TOP, 'top'],
  [FirstPassBlend.PROBABILITY, 'probability'],
]);

function firstPassSettings(
  given: FirstPass | undefined,
  field: string,
  settings: RequestSettings,
): FirstPassSettings {
  const mode = given?.mode ? MODES.get(given.mode) : settings.firstPassMode;
  if (!mode) throw fault(`${field}.mode`, `there is no mode ${given?.mode}`, { value: given?.mode ?? 0 });
  // A deployment's blend that the asked mode cannot have gives way; one that the request names does not.
  const usual = mode === 'generate' ? 'top' : settings.firstPassBlend;
  const blend = given?.blend ? BLENDS.get(given.blend) : usual;
  if (!blend)
    throw fault(`${field}.blend`, `there is no blend ${given?.blend}`, { value: given?.blend ?? 0 });
  if (blend === 'probability' && mode === 'generate')
    throw fault(`${field}.blend`, 'PROBABILITY needs the mode SCORE: a written label has no probabilities');
  const abstainThreshold = given?.abstainThreshold ?? settings.abstainThreshold;
  if (!(abstainThreshold >= 0 && abstainThreshold <= 1)) {
    throw fault(`${field}.abstain_threshold`, `must be in [0, 1], not ${abstainThreshold}`, {
      limit: '[0, 1]',
      value: abstainThreshold,
    });
  }
  return { mode, blend, abstainThreshold };
}

function fault(
  field: string,
  what: string,
  details: { readonly limit?: number | string; readonly value?: number | string } = {},
  reason: Reason = 'INVALID_FIELD',
): ZmeshError {
  return new ZmeshError(reason, `${field}: ${what}`, { field, ...details });
}
