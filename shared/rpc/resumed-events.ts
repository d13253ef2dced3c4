import { sleep } from '../deadline.js';
import { ZmeshError } from '../errors.js';

const RETRY_MS = 500;

/** How a stream of numbered events is come back to. */
export interface ResumeOptions<E> {
  /** Opens the stream of the events behind `afterSequence`; 0 = all. */
  open(afterSequence: bigint): AsyncIterable<{ readonly event?: E | undefined }>;
  /** The caller has the events up to this one. Default: none, not even one of place 0. */
  readonly after?: bigint;
  /** How long a server that was lost is waited for, milliseconds. */
  readonly patienceMs: number;
  readonly signal: AbortSignal;
  /** Told once each time the server is lost. It may throw the error instead, where there is nothing to come back to. */
  onLost?(error: ZmeshError): void;
  /** Told when events come again. */
  onBack?(): void;
}

/**
 * Events in order and once each, through servers that are lost and come back: what one watches goes on without them. Throws what the
 * stream threw if that was no UNAVAILABLE, or when the server stays away for longer than `patienceMs`; aborts with the signal's reason.
 */
export async function* resumedEvents<E extends { readonly sequence: bigint }>(
  options: ResumeOptions<E>,
): AsyncGenerator<E> {
  const { open, after = -1n, patienceMs, signal, onLost, onBack } = options;
  let seen = after;
  let lostMs: number | undefined;
  for (;;) {
    try {
      for await (const { event } of open(seen < 0n ? 0n : seen)) {
        if (!event) continue;
        if (lostMs !== undefined) onBack?.();
        lostMs = undefined;
        if (event.sequence <= seen) continue;
        seen = event.sequence;
        yield event;
      }
      return;
    } catch (thrown) {
      const error = ZmeshError.from(thrown);
      if (error.code !== 'UNAVAILABLE' || signal.aborted) throw error;
      if (lostMs === undefined) onLost?.(error);
      lostMs ??= performance.now();
      if (performance.now() - lostMs > patienceMs) throw error;
      await sleep(RETRY_MS, signal);
    }
  }
}
