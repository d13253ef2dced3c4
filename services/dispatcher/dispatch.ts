import type { ClassifyResponse, GenerateResponse } from '#proto/zmesh/v1/dispatcher.js';
import type { ExpertVersion } from '#proto/zmesh/v1/expert_registry.js';
import type { PassSummary } from '#proto/zmesh/v1/inference.js';
import type { Catalog } from '#shared/catalog/follow.js';
import { ZmeshError } from '#shared/errors.js';
import { type Inference, requireSummary } from '#shared/fleet/inference.js';
import type { CallOptions } from '#shared/rpc/client.js';
import { checkSamplingRanges } from '#shared/sampling.js';
import type { Models } from './models.js';
import type { GenerationQuestion, Question } from './question.js';
import { receiptOf } from './receipt.js';
import { noRoutedExperts } from './routing.js';
import { secondPass } from './second-pass.js';
import { chooseMixture } from './strategy.js';

/** Whom the dispatcher works with. */
export interface Mesh {
  readonly inference: Inference;
  readonly models: Models;
  readonly catalog: Catalog;
  /** Asks the registry for one expert version by name. */
  readonly lookUp: (name: string, options: CallOptions) => Promise<ExpertVersion>;
  readonly routedAlias: string;
  readonly labelTokensMax: number;
}

/**
 * The life of a request: find the mixture (pass 1 where the strategy has one), generate under it (pass 2), tell what
 * happened. Yields started, deltas and ends, the receipt last. Whatever fails is thrown with its reason, after the first
 * token too; the base answers only where the strategy, `other` or the threshold says so.
 */
export async function* dispatch(question: GenerationQuestion, mesh: Mesh): AsyncGenerator<GenerateResponse> {
  const model = await mesh.models.find(question.model);
  // Before pass 1 is paid for.
  if (question.sampling) checkSamplingRanges(question.sampling, model);
  const choice = await chooseMixture(question, { ...mesh, model });
  const registryAgeS = mesh.catalog.ageS();
  yield {
    event: {
      $case: 'started',
      value: {
        requestId: question.requestId,
        traceId: question.traceId,
        model: model.name,
        strategyUsed: choice.used,
        classification: choice.firstPass?.classification,
        arms: [...choice.arms],
      },
    },
  };
  const startMs = performance.now();
  let summary: PassSummary | undefined;
  for await (const { event } of secondPass(question, { ...mesh, model, choice })) {
    if (event?.$case === 'summary') summary = event.value;
    else if (event) yield { event };
  }
  const second = { summary: requireSummary(summary), startMs };
  yield { event: { $case: 'receipt', value: receiptOf({ question, model, choice, second, registryAgeS }) } };
}

/** Pass 1 alone: the label, its probabilities and the mixture that `dispatch` would use. Throws NO_ROUTED_EXPERTS or NO_CHAT_TEMPLATE where no pass 1 is possible. */
export async function classify(question: Question, mesh: Mesh): Promise<ClassifyResponse> {
  const model = await mesh.models.find(question.model);
  if (!model.hasChatTemplate) {
    throw new ZmeshError(
      'NO_CHAT_TEMPLATE',
      `${model.name} has no chat template for the instruction of pass 1`,
      {
        names: { model: model.name },
      },
    );
  }
  const choice = await chooseMixture(question, { ...mesh, model });
  if (!choice.firstPass) throw noRoutedExperts(model, mesh.routedAlias, choice.reason);
  const registryAgeS = mesh.catalog.ageS();
  const receipt = receiptOf({ question, model, choice, second: undefined, registryAgeS });
  return { classification: choice.firstPass.classification, receipt };
}
