import type { GenerateResponse } from '#proto/zmesh/v1/dispatcher.js';
import { ZmeshError } from '#shared/errors.js';
import { recordRequest } from '#shared/telemetry/metrics.js';
import type { GenerationQuestion } from './question.js';

/** Passes a request's stream on and counts it, with its times and tokens, when it ends, fails or is left. */
export async function* measured(
  question: GenerationQuestion,
  stream: AsyncIterable<GenerateResponse>,
): AsyncGenerator<GenerateResponse> {
  let firstMs: number | undefined;
  let model = question.model;
  let inputTokens = 0;
  let outputTokens = 0;
  let failure: string | undefined = 'CANCELLED';
  try {
    for await (const message of stream) {
      const { event } = message;
      if (event?.$case === 'started') model = event.value.model;
      if (event?.$case === 'delta') {
        firstMs ??= performance.now();
        outputTokens += event.value.tokenIds.length;
      }
      if (event?.$case === 'receipt') inputTokens = event.value.usage?.promptTokens ?? 0;
      yield message;
    }
    failure = undefined;
  } catch (error) {
    failure = ZmeshError.from(error).reason;
    throw error;
  } finally {
    recordRequest({
      operation: question.prompt.input?.$case === 'chat' ? 'chat' : 'text_completion',
      model,
      strategy: question.strategy.kind,
      durationMs: performance.now() - question.arrivedMs,
      inputTokens,
      outputTokens,
      ...(firstMs === undefined ? {} : { timeToFirstTokenMs: firstMs - question.arrivedMs }),
      ...(failure === undefined ? {} : { failure }),
    });
  }
}
