import type {
  AdaptationEvent,
  AdaptRequest,
  AdaptResponse,
  WatchAdaptationRequest,
  WatchAdaptationResponse,
} from '#proto/zmesh/v1/adaptation.js';
import type { TrainerServiceService } from '#proto/zmesh/v1/trainer.js';
import { ZmeshError } from '#shared/errors.js';
import { requestIdOr } from '#shared/ids.js';
import type { CallContext } from '#shared/rpc/call.js';
import type { RpcClient } from '#shared/rpc/client.js';
import { resumedEvents } from '#shared/rpc/resumed-events.js';

/** What the dispatcher asks of trainers. */
export type Trainer = Pick<
  RpcClient<typeof TrainerServiceService>,
  'startSearch' | 'getSearch' | 'watchSearch' | 'cancelSearch'
>;

/** Who waits, and until when. */
type Waiter = Pick<CallContext, 'signal' | 'deadline'>;

/** How long a watch goes on trying to come back to its job after it lost its trainer, milliseconds. */
const PATIENCE_MS = 60_000;

/**
 * Starts the search for an adaptation and tells how it goes: accepted, progress, the result last. The search is a job: it goes
 * on when the caller leaves, and its events come from whichever trainer is there.
 */
export async function* adapt(
  trainer: Trainer,
  { requestId, spec, timeoutS }: AdaptRequest,
  { signal, deadline }: Waiter,
): AsyncGenerator<AdaptResponse> {
  const request = { requestId: requestIdOr(requestId), spec, timeoutS };
  const { adaptation } = await trainer.startSearch(request, { signal, deadline });
  if (!adaptation) throw new ZmeshError('INTERNAL', 'the trainer started no search');
  yield { event: { sequence: 0n, time: adaptation.createdAt, adaptation, progress: undefined } };
  for await (const event of follow(trainer, { id: adaptation.id, afterSequence: 0n }, { signal, deadline }))
    yield { event };
}

/** The events of a job. */
export async function* watchAdaptation(
  trainer: Trainer,
  request: WatchAdaptationRequest,
  call: Waiter,
): AsyncGenerator<WatchAdaptationResponse> {
  for await (const event of follow(trainer, request, call)) yield { event };
}

/** Events of a job in order and once each, through trainers that go away. */
function follow(
  trainer: Trainer,
  { id, afterSequence }: WatchAdaptationRequest,
  { signal, deadline }: Waiter,
): AsyncGenerator<AdaptationEvent> {
  return resumedEvents<AdaptationEvent>({
    open: (after) => trainer.watchSearch({ id, afterSequence: after }, { signal, deadline }),
    after: afterSequence,
    patienceMs: PATIENCE_MS,
    signal,
  });
}
