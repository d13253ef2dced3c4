import {
  DispatcherServiceService,
  type GenerateRequest,
  type GenerateResponse,
  type Receipt,
} from '#proto/zmesh/v1/dispatcher.js';
import { ZmeshError } from '#shared/errors.js';
import type { Fleet } from '#shared/fleet/fleet.js';
import { type Binding, bind, type Handlers } from '#shared/rpc/bind.js';
import type { CallContext } from '#shared/rpc/call.js';
import { adapt, type Trainer, watchAdaptation } from './adapt.js';
import { admissions } from './admission.js';
import { complete } from './complete.js';
import { classify, dispatch, type Mesh } from './dispatch.js';
import type { Gate } from './gate.js';
import { listModels } from './list-models.js';
import { measured, measuredClassification } from './measure.js';
import type { GenerationQuestion } from './question.js';
import { shortReceipt } from './receipt.js';
import { classificationQuestion, generationQuestion, type RequestSettings } from './request.js';
import { checkPrompt } from './request-prompt.js';

/** What the handlers need. */
export interface HandlersOptions {
  readonly mesh: Mesh & { readonly trainer: Trainer; readonly inference: Pick<Fleet, 'crowded'> };
  readonly gate: Gate;
  readonly settings: RequestSettings;
}

/** Names of the trailing metadata. */
export const TRAILERS = {
  /** Id of the request. */
  requestId: 'zmesh-request-id',
  /** W3C trace id, 32 hex digits. */
  traceId: 'zmesh-trace-id',
  /** The receipt's short form, one line of JSON; absent where the request failed. */
  receipt: 'zmesh-receipt',
} as const;

/** The dispatcher's RPCs: proto in, validated questions inward, proto out. */
export function dispatcherHandlers({ mesh, gate, settings }: HandlersOptions): Binding {
  const inside = async <T>(work: () => Promise<T>): Promise<T> => {
    const leave = gate.enter();
    try {
      return await work();
    } finally {
      leave();
    }
  };
  const begin = (request: GenerateRequest | undefined, call: CallContext): GenerationQuestion => {
    if (!request) throw new ZmeshError('MISSING_FIELD', 'request: is required', { field: 'request' });
    const question = generationQuestion(request, call, settings);
    nameRequest(call, question.requestId, question.traceId);
    return question;
  };
  const handlers: Handlers<DispatcherServiceService> = {
    async *generate(request, call) {
      const leave = gate.enter();
      try {
        const question = begin(request, call);
        yield* withReceipt(measured(question, 'Generate', dispatch(question, mesh)), call);
      } finally {
        leave();
      }
    },
    complete: ({ request }, call) =>
      inside(async () => {
        const question = begin(request, call);
        return complete(
          withReceipt(measured(question, 'Complete', dispatch(question, mesh)), call),
          question.n,
        );
      }),
    classify: (request, call) =>
      inside(async () => {
        const question = classificationQuestion(request, call, settings);
        nameRequest(call, question.requestId, question.traceId);
        const response = await measuredClassification(question, () => classify(question, mesh));
        if (response.receipt) tellReceipt(call, response.receipt);
        return response;
      }),
    tokenize: (request, call) =>
      inside(async () => {
        const prompt = checkPrompt(request.prompt, settings);
        const model = await mesh.models.find(request.model);
        return mesh.inference.encodeTokens(
          { model: model.name, prompt },
          { signal: call.signal, deadline: call.deadline },
        );
      }),
    async *adapt(request, call) {
      const leave = gate.enter();
      try {
        yield* adapt(mesh.trainer, request, call);
      } finally {
        leave();
      }
    },
    getAdaptation: ({ id }, { signal, deadline }) =>
      inside(() => mesh.trainer.getSearch({ id }, { signal, deadline })),
    async *watchAdaptation(request, call) {
      const leave = gate.enter();
      try {
        yield* watchAdaptation(mesh.trainer, request, call);
      } finally {
        leave();
      }
    },
    cancelAdaptation: ({ id }, { signal, deadline }) =>
      inside(() => mesh.trainer.cancelSearch({ id }, { signal, deadline })),
    listModels: () => inside(() => listModels(mesh, settings.defaultStrategy)),
  };
  return bind(
    DispatcherServiceService,
    handlers,
    admissions({ gate, inference: mesh.inference, defaultStrategy: settings.defaultStrategy }),
  );
}

async function* withReceipt(
  stream: AsyncIterable<GenerateResponse>,
  call: CallContext,
): AsyncGenerator<GenerateResponse> {
  for await (const message of stream) {
    if (message.event?.$case === 'receipt') tellReceipt(call, message.event.value);
    yield message;
  }
}

function nameRequest(call: CallContext, requestId: string, traceId: string): void {
  call.setTrailer(TRAILERS.requestId, requestId);
  call.setTrailer(TRAILERS.traceId, traceId);
}

function tellReceipt(call: CallContext, receipt: Receipt): void {
  call.setTrailer(TRAILERS.receipt, shortReceipt(receipt));
}
