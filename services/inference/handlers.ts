import { trace } from '@opentelemetry/api';
import { Priority } from '#proto/zmesh/v1/common.js';
import {
  InferenceServiceService,
  type ServedModel as ServedModelMessage,
} from '#proto/zmesh/v1/inference.js';
import { requestIdOr } from '#shared/ids.js';
import { ageOf } from '#shared/rpc/age.js';
import { type Binding, bind } from '#shared/rpc/bind.js';
import type { CallContext } from '#shared/rpc/call.js';
import { GEN_AI, ZMESH } from '#shared/telemetry/semconv.js';
import { createTurnstile } from '#shared/turnstile.js';
import { computeGradient } from './compute-gradient.js';
import { generate } from './generate.js';
import { loadMultipliers } from './load-multipliers.js';
import type { PassOptions } from './pass-options.js';
import { priorityClass } from './priority.js';
import { encodePrompt } from './prompt.js';
import { score } from './score.js';
import type { ServedModel, ServedModels } from './served-model.js';

/** What the handlers need. */
export interface HandlersOptions {
  readonly models: ServedModels;
  /** Most bytes of a prompt or continuation as text. */
  readonly promptBytesMax: number;
}

/** The inference service's RPCs. */
export function inferenceHandlers({ models, promptBytesMax }: HandlersOptions): Binding {
  const passOptions = (call: CallContext): PassOptions => {
    const { signal, deadline } = call;
    return { signal, deadline, ageMs: ageOf(call), promptBytesMax };
  };
  const turnstile = createTurnstile();
  const inTurn = async ({ priority }: { readonly priority: Priority }): Promise<void> => {
    if (priorityClass(priority) === 'batch') await turnstile();
  };
  return bind(InferenceServiceService, {
    async *generateTokens(request, call) {
      const model = models.find(request.model);
      noteRequest(request, model);
      await inTurn(request);
      yield* generate(model, request, passOptions(call));
    },
    async score(request, call) {
      const model = models.find(request.model);
      noteRequest(request, model);
      await inTurn(request);
      return score(model, request, passOptions(call));
    },
    async computeGradient(request, { signal }) {
      const model = models.find(request.model);
      const priority = request.priority || Priority.BATCH;
      noteRequest({ ...request, priority }, model);
      return computeGradient(model, { ...request, priority }, { signal, promptBytesMax });
    },
    async loadMultipliers(request) {
      const model = models.find(request.model);
      noteRequest({ ...request, priority: Priority.INTERACTIVE }, model);
      return loadMultipliers(model, request);
    },
    async encodeTokens(request) {
      const model = models.find(request.model);
      const { ids, rendered } = encodePrompt(model, request.prompt, promptBytesMax);
      return { tokenIds: [...ids], rendered, contextLength: model.engine.info.contextLength };
    },
    listServedModels: async () => ({ models: models.all.map(describe) }),
  });
}

/** Puts a request's facts on its server span. Throws INVALID_FIELD for a bad request id. */
function noteRequest(request: { requestId: string; priority: Priority }, model: ServedModel): void {
  const attributes = {
    [ZMESH.REQUEST_ID]: requestIdOr(request.requestId),
    [ZMESH.PRIORITY]: priorityClass(request.priority),
    [GEN_AI.REQUEST_MODEL]: model.prepared.name,
  };
  trace.getActiveSpan()?.setAttributes(attributes);
}

function describe({ prepared, tokenizer, engine }: ServedModel): ServedModelMessage {
  return {
    name: prepared.name,
    fingerprint: prepared.fingerprint,
    basisId: prepared.basisId,
    architecture: prepared.config.architecture,
    contextLength: engine.info.contextLength,
    vocabularySize: engine.info.vocabularySize,
    parameters: BigInt(prepared.parameters),
    adaptedMatrices: prepared.adapted.length,
    hasTokenizer: tokenizer !== null,
    hasChatTemplate: tokenizer?.hasChatTemplate ?? false,
    classificationSystem: prepared.classificationSystem ?? '',
    weightBytes: BigInt(engine.info.weightBytes),
    kvBytes: BigInt(engine.info.kvBytes),
  };
}
