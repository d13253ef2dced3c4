import { sleep } from '#shared/deadline.js';
import type { JobEvents } from './events-jetstream.js';
import { isOver, type JobKey } from './job.js';
import type { JobView } from './view.js';

/** A job's event as it is read. */
export interface ReadEvent<E> {
  readonly event: E;
  /** Its place, from 1. */
  readonly sequence: bigint;
  /** True if the job was over with it. */
  readonly last: boolean;
}

const LATE_EVENT_MS = 2000;

/**
 * A job's events behind `after`, each once and in order, until the job is over. Where its last event is not kept any more
 * (or was never published, because its trainer died between two lines) the record itself tells the end: `ofRecord`.
 */
export async function* watchJob<E>(
  { events, view }: { readonly events: JobEvents; readonly view: JobView },
  key: JobKey,
  options: {
    readonly after: bigint;
    readonly decode: (bytes: Uint8Array) => ReadEvent<E>;
    readonly ofRecord: () => ReadEvent<E>;
    readonly signal: AbortSignal;
  },
): AsyncGenerator<E> {
  const { decode, ofRecord, signal } = options;
  const ended = new AbortController();
  const waiting: ReadEvent<E>[] = [];
  let current = false;
  let wake = (): void => {};
  const woken = (): Promise<void> =>
    new Promise((resolve) => {
      wake = resolve;
    });
  const offView = view.subscribe(() => wake());
  const following = events.follow(key, {
    onEvent: (bytes) => {
      waiting.push(decode(bytes));
      wake();
    },
    onCurrent: () => {
      current = true;
      wake();
    },
    signal: AbortSignal.any([signal, ended.signal]),
  });
  const onAbort = (): void => wake();
  signal.addEventListener('abort', onAbort, { once: true });
  let seen = options.after;
  // A job that failed and was resumed has an end in the middle of its events.
  let ends = false;
  try {
    while (!signal.aborted) {
      const next = woken();
      for (const read of waiting.splice(0)) {
        if (read.sequence <= seen) continue;
        seen = read.sequence;
        ends = read.last;
        yield read.event;
      }
      const record = view.get(key)?.record;
      if (!record) return;
      if (current && isOver(record.state) && waiting.length === 0) {
        if (ends) return;
        // The record is written before its event is published: give that a moment.
        await Promise.race([next, sleep(LATE_EVENT_MS)]);
        if (waiting.length > 0) continue;
        yield ofRecord().event;
        return;
      }
      await next;
    }
    signal.throwIfAborted();
  } finally {
    signal.removeEventListener('abort', onAbort);
    offView();
    ended.abort();
    await following.catch(() => {});
  }
}
