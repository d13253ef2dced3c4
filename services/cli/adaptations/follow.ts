import type { AdaptationEvent } from '#proto/zmesh/v1/adaptation.js';
import type { DispatcherServiceService } from '#proto/zmesh/v1/dispatcher.js';
import type { RpcClient } from '#shared/rpc/client.js';
import { resumedEvents } from '#shared/rpc/resumed-events.js';
import type { Io } from '../io.js';
import { PATIENCE_MS } from '../patience.js';

/**
 * The events of a search in order and once each: those of `begun`, and of watches that take its place when the dispatcher is
 * lost and comes back. The search itself needs no dispatcher. Throws DISPATCHER_UNAVAILABLE where it was never there, or
 * stays away for two minutes.
 */
export async function* followSearch(
  dispatcher: Pick<RpcClient<typeof DispatcherServiceService>, 'watchAdaptation'>,
  begun: AsyncIterable<{ readonly event?: AdaptationEvent | undefined }>,
  io: Pick<Io, 'err' | 'signal'>,
): AsyncGenerator<AdaptationEvent> {
  const { signal } = io;
  let id: string | undefined;
  let opened = false;
  const events = resumedEvents<AdaptationEvent>({
    open: (afterSequence) => {
      if (opened && id !== undefined) return dispatcher.watchAdaptation({ id, afterSequence }, { signal });
      opened = true;
      return begun;
    },
    patienceMs: PATIENCE_MS,
    signal,
    onLost: (error) => {
      if (id === undefined) throw error;
      io.err.write(`the dispatcher is away; the search ${id} goes on\n`);
    },
    onBack: () => io.err.write('the dispatcher is back\n'),
  });
  for await (const event of events) {
    id = event.adaptation?.id || id;
    yield event;
  }
}
