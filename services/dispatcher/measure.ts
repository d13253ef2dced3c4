import type { ClassifyResponse, GenerateResponse, Receipt } from '#proto/zmesh/v1/dispatcher.js';
import { ZmeshError } from '#shared/errors.js';
import { type RequestOutcome, recordRequest } from '#shared/telemetry/metrics.js';
import type { GenerationQuestion, Question } from './question.js';

/** Which method was called. */
export type MeasuredMethod = 'Generate' | 'Complete' | 'Classify';

/** Passes a request's stream on and counts it, with its times and tokens, when it ends, fails or is left. */
export async function* measured(
  question: GenerationQuestion,
  method: MeasuredMethod,
  stream: AsyncIterable<GenerateResponse>,
): AsyncGenerator<GenerateResponse> {
  let firstMs: number | undefined;
  // What the caller wrote is no model's name before it was found.
  let model = '';
  let outputTokens = 0;
  let receipt: Receipt | undefined;
  let failure: ZmeshError | undefined = new ZmeshError('CANCELLED', 'the caller left');
  try {
    for await (const message of stream) {
      const { event } = message;
      if (event?.$case === 'started') model = event.value.model;
      if (event?.$case === 'delta') {
        firstMs ??= performance.now();
        outputTokens += event.value.tokenIds.length;
      }
      if (event?.$case === 'receipt') receipt = event.value;
      yield message;
    }
    failure = undefined;
  } catch (error) {
    failure = ZmeshError.from(error);
    throw error;
  } finally {
    recordRequest({
      ...outcomeOf(question, method, { receipt, failure }),
      operation: question.prompt.input?.$case === 'chat' ? 'chat' : 'text_completion',
      model,
      outputTokens,
      ...(firstMs === undefined ? {} : { timeToFirstTokenMs: firstMs - question.arrivedMs }),
    });
  }
}

/** Counts a classification when it is over. */
export async function measuredClassification(
  question: Question,
  classify: () => Promise<ClassifyResponse>,
): Promise<ClassifyResponse> {
  try {
    const response = await classify();
    recordRequest(outcomeOf(question, 'Classify', { receipt: response.receipt }));
    return response;
  } catch (error) {
    recordRequest(outcomeOf(question, 'Classify', { failure: ZmeshError.from(error) }));
    throw error;
  }
}

function outcomeOf(
  { strategy, arrivedMs }: Question,
  method: MeasuredMethod,
  { receipt, failure }: { readonly receipt?: Receipt | undefined; readonly failure?: ZmeshError | undefined },
): RequestOutcome {
  const { secondPass, usage } = receipt ?? {};
  return {
    method: `zmesh.v1.DispatcherService/${method}`,
    operation: undefined,
    model: receipt?.model ?? '',
    strategy: strategy.kind,
    code: failure?.code ?? 'OK',
    durationMs: performance.now() - arrivedMs,
    inputTokens: usage?.promptTokens ?? 0,
    outputTokens: 0,
    ...(secondPass ? { secondPassMs: secondPass.totalMs } : {}),
    ...(failure ? { failure: failure.reason } : {}),
  };
}
