import http2 from 'node:http2';
import type { Server } from '@grpc/grpc-js';
import { listenersOf } from './listeners.js';

/**
 * Cancelled streams of one connection that are allowed at once. nghttp2 breaks a connection with all its streams after 1000
 * (its answer to "rapid reset", CVE-2023-44487); Node 20 cannot change that. Half of it, because a cancellation that
 * crosses the end of its stream counts there and cannot be seen here.
 */
const RESETS_AT_ONCE = 500;
/** How fast the allowance comes back; nghttp2 has 33. */
const RESETS_PER_SECOND = 30;
/** A caller has heard the first GOAWAY after this; only then are new streams refused. */
const CLOSE_AFTER_MS = 1000;
/** HTTP/2's largest stream id: all streams so far, and those on their way, are served. */
const LAST_STREAM_ID = 2 ** 31 - 1;

/**
 * Replaces a connection before so many of its streams were cancelled that nghttp2 breaks it: its caller is told by a graceful
 * GOAWAY to make its further calls on a new connection, and the streams it has go on to their ends. One who only leaves
 * often, or relays many who do, so loses nothing; one who floods pays with a connection for every 500 streams.
 * Call it when the server listens.
 */
export function replaceBeforeResetLimit(server: Server): void {
  for (const listening of listenersOf(server)) listening.on('session', watchSession);
}

function watchSession(session: http2.ServerHttp2Session): void {
  let left = RESETS_AT_ONCE;
  let countedAtMs = performance.now();
  let replaced = false;
  const count = (): void => {
    const nowMs = performance.now();
    left = Math.min(RESETS_AT_ONCE, left + ((nowMs - countedAtMs) / 1000) * RESETS_PER_SECOND) - 1;
    countedAtMs = nowMs;
    if (left > 0 || replaced || session.closed || session.destroyed) return;
    replaced = true;
    session.goaway(http2.constants.NGHTTP2_NO_ERROR, LAST_STREAM_ID);
    const close = setTimeout(() => session.close(), CLOSE_AFTER_MS);
    session.once('close', () => clearTimeout(close));
  };
  session.on('stream', (stream) => {
    let counted = false;
    const countOnce = (): void => {
      if (!counted) count();
      counted = true;
    };
    // It comes while the bytes that cancel are still being read: a thousand cancellations in one read are seen in time.
    stream.once('aborted', countOnce);
    stream.once('close', () => {
      if (stream.rstCode !== http2.constants.NGHTTP2_NO_ERROR) countOnce();
    });
  });
}
