import { context, propagation, ROOT_CONTEXT } from '@opentelemetry/api';
import { RegistryEvent } from '#proto/zmesh/v1/events.js';
import { sleep } from '#shared/deadline.js';
import type { EventConnection } from '#shared/events/connection.js';
import { publish, StreamMoved } from '#shared/events/publish.js';
import { readStreamEnd } from '#shared/events/stream-end.js';
import { EXPERT_STREAM } from '#shared/events/streams.js';
import { expertSubject } from '#shared/events/subjects.js';
import type { Logger } from '#shared/log.js';
import type { LoggedChange, View } from './view.js';

/** The running relay. */
export interface Relay {
  /** Stops relaying; what is not relayed yet is relayed by the next start. */
  stop(): Promise<void>;
}

/** Where the stream of events ends: its last sequence, and the registry revision of its last event. */
interface Position {
  readonly sequence: number;
  readonly revision: number;
}

const RETRY_MS = 500;
const CATCH_UP_MS = 5000;

/**
 * Turns every change in the view's log into an event on NATS, in order and once, also across crashes and with several
 * replicas: the stream itself remembers the last revision that was relayed, and an event is taken only if it is the
 * stream's next. An event continues the trace of the request that made the change.
 */
export function startRelay(connection: EventConnection, view: View, log: Logger): Relay {
  const stopping = new AbortController();
  const running = relay(connection, view, log, stopping.signal);
  return {
    async stop() {
      stopping.abort();
      await running;
    },
  };
}

async function relay(
  connection: EventConnection,
  view: View,
  log: Logger,
  signal: AbortSignal,
): Promise<void> {
  let position: Position | undefined;
  while (!signal.aborted) {
    const changed = nextChange(view, signal);
    try {
      position ??= await readPosition(connection);
      // Another replica's view may be a moment ahead of ours. A stream that stays ahead belongs to an older registry.
      await view.reached(position.revision, CATCH_UP_MS);
      for (const change of changesAfter(view, position.revision)) {
        if (signal.aborted) return;
        position = { sequence: await relayOne(connection, change, position), revision: change.revision };
      }
      await changed;
    } catch (error) {
      position = undefined;
      // Another replica was quicker: go on behind it at once.
      if (error instanceof StreamMoved) continue;
      if (connection.connected) log.warn({ err: error }, 'an event could not be relayed; it will be');
      await sleep(RETRY_MS, signal).catch(() => {});
    }
  }
}

function relayOne(connection: EventConnection, change: LoggedChange, position: Position): Promise<number> {
  const parent = propagation.extract(ROOT_CONTEXT, Object.fromEntries(change.trace));
  return context.with(parent, () =>
    publish(connection, {
      subject: expertSubject(change.event),
      data: RegistryEvent.encode(change.event).finish(),
      messageId: `registry-${change.revision}`,
      expectedLastSequence: position.sequence,
      parent,
    }),
  );
}

async function readPosition(connection: EventConnection): Promise<Position> {
  const { sequence, data } = await readStreamEnd(connection, EXPERT_STREAM);
  return { sequence, revision: data ? Number(RegistryEvent.decode(data).revision) : 0 };
}

function changesAfter(view: View, revision: number): LoggedChange[] {
  let start = view.log.length;
  while (start > 0 && view.log[start - 1]!.revision > revision) start -= 1;
  return view.log.slice(start);
}

function nextChange(view: View, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      unsubscribe();
      signal.removeEventListener('abort', done);
      resolve();
    };
    const unsubscribe = view.subscribe(done);
    signal.addEventListener('abort', done, { once: true });
    if (signal.aborted) done();
  });
}
