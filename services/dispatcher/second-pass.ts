import type { Span } from '@opentelemetry/api';
import type { GenerateTokensResponse, PassSummary, ServedModel } from '#proto/zmesh/v1/inference.js';
import type { Inference } from '#shared/fleet/inference.js';
import { GEN_AI, SPAN, ZMESH } from '#shared/telemetry/semconv.js';
import { streamWithSpan } from '#shared/telemetry/spans.js';
import { mixtureOf } from './mixture.js';
import { passOptions } from './pass-options.js';
import type { GenerationQuestion } from './question.js';
import { shortName } from './receipt.js';
import type { Choice } from './strategy.js';

/** What pass 2 needs beside the question. */
export interface SecondPassContext {
  readonly model: ServedModel;
  readonly inference: Inference;
  readonly choice: Choice;
}

/** Runs pass 2: generates under the mixture that was chosen. Leaving the stream early cancels it at inference. */
export function secondPass(
  question: GenerationQuestion,
  { model, inference, choice }: SecondPassContext,
): AsyncIterable<GenerateTokensResponse> {
  const attributes = {
    [ZMESH.STRATEGY]: question.strategy.kind,
    [ZMESH.STRATEGY_USED]: choice.used,
    [ZMESH.EXPERTS]: choice.arms.map(({ expert }) => shortName(expert)),
    [GEN_AI.REQUEST_MODEL]: model.name,
  };
  return streamWithSpan(SPAN.SECOND_PASS, { attributes }, async function* (span) {
    const stream = inference.generateTokens(
      {
        requestId: question.requestId,
        model: model.name,
        prompt: question.prompt,
        mixture: mixtureOf(choice.arms),
        sampling: question.sampling,
        n: question.n,
        priority: question.priority,
      },
      passOptions(question),
    );
    for await (const message of stream) {
      if (message.event?.$case === 'summary') describe(span, message.event.value);
      yield message;
    }
  });
}

function describe(span: Span, summary: PassSummary): void {
  span.setAttributes({
    [ZMESH.MIXTURE_HASH]: summary.mixtureHash,
    [ZMESH.MIXTURE_RESIDENT]: summary.cache?.mixtureResident ?? false,
    [ZMESH.EXPERTS_FETCHED]: summary.cache?.expertsFetched ?? 0,
    [GEN_AI.USAGE_INPUT_TOKENS]: summary.usage?.promptTokens ?? 0,
    [GEN_AI.USAGE_OUTPUT_TOKENS]: summary.usage?.completionTokens ?? 0,
    [GEN_AI.USAGE_CACHE_READ_INPUT_TOKENS]: summary.usage?.cachedPromptTokens ?? 0,
  });
}
