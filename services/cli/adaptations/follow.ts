import type { AdaptationEvent } from '#proto/zmesh/v1/adaptation.js';
import type { DispatcherServiceService } from '#proto/zmesh/v1/dispatcher.js';
import { sleep } from '#shared/deadline.js';
import { ZmeshError } from '#shared/errors.js';
import type { RpcClient } from '#shared/rpc/client.js';
import type { Io } from '../io.js';

/** How long a dispatcher that was lost is waited for, milliseconds. */
const PATIENCE_MS = 120_000;
const RETRY_MS = 500;

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
  let stream = begun;
  let id: string | undefined;
  let seen = -1n;
  let lostMs: number | undefined;
  for (;;) {
    try {
      for await (const { event } of stream) {
        if (!event) continue;
        if (lostMs !== undefined) io.err.write('the dispatcher is back\n');
        lostMs = undefined;
        id = event.adaptation?.id || id;
        if (event.sequence <= seen) continue;
        seen = event.sequence;
        yield event;
      }
      return;
    } catch (thrown) {
      const error = ZmeshError.from(thrown);
      if (id === undefined || error.code !== 'UNAVAILABLE' || io.signal.aborted) throw error;
      if (lostMs === undefined) io.err.write(`the dispatcher is away; the search ${id} goes on\n`);
      lostMs ??= performance.now();
      if (performance.now() - lostMs > PATIENCE_MS) throw error;
      await sleep(RETRY_MS, io.signal);
      const request = { id, afterSequence: seen < 0n ? 0n : seen };
      stream = dispatcher.watchAdaptation(request, { signal: io.signal });
    }
  }
}
