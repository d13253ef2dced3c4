import * as grpc from '@grpc/grpc-js';
import { ZmeshError } from '../errors.js';
import { statusOf } from './status.js';

/**
 * How long before the caller's deadline a call is answered with DEADLINE, milliseconds. At the deadline itself grpc-js ends
 * the call by a timer of its own, without details.
 */
export const ANSWER_EARLY_MS = 5;

/** Longest delay that Node's timers take, milliseconds; a longer one would fire at once. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/** The error of a call whose deadline passed. */
export function deadlineError(call: { getDeadline(): Date | number }): ZmeshError {
  const dueMs = Number(call.getDeadline());
  const limit = Number.isFinite(dueMs) ? { limit: new Date(dueMs).toISOString() } : {};
  return new ZmeshError('DEADLINE', 'the deadline passed', limit);
}

/** Milliseconds until a call with this deadline is answered with DEADLINE; undefined = never. */
export function untilLateMs(deadline: Date | number): number | undefined {
  const leftMs = Number(deadline) - Date.now() - ANSWER_EARLY_MS;
  return leftMs > LONGEST_TIMER_MS ? undefined : Math.max(0, leftMs);
}

/**
 * Server interceptor: drops the messages of a call that is over by its deadline. grpc-js would write them after it has ended
 * the stream; Node then drops the stream without a word to the caller, who waits for ever unless it keeps its own deadline.
 * A call that lost a message so ends with DEADLINE, whatever its handler says.
 */
export const noLateMessages: grpc.ServerInterceptor = (_method, call) => {
  let lateAtMs = Number.POSITIVE_INFINITY;
  let late = false;
  let dropped = false;
  let timer: NodeJS.Timeout | undefined;
  const arm = (): void => {
    const leftMs = untilLateMs(call.getDeadline());
    if (leftMs === undefined) return;
    // Both: a busy event loop may run grpc-js's timer before this one, and timers count from the loop's older idea of now.
    lateAtMs = performance.now() + leftMs;
    timer = setTimeout(() => {
      late = true;
    }, leftMs);
  };
  const guarded = new grpc.ServerInterceptingCall(call, {
    start(next) {
      next({
        onReceiveMetadata(metadata, nextMetadata) {
          arm();
          nextMetadata(metadata);
        },
        onCancel() {
          clearTimeout(timer);
        },
      });
    },
    sendStatus(status, next) {
      clearTimeout(timer);
      // An OK without what was dropped would be a cut-off answer that looks finished.
      next(
        dropped && status.code === grpc.status.OK ? { ...status, ...statusOf(deadlineError(call)) } : status,
      );
    },
  });
  const send = guarded.sendMessage.bind(guarded);
  // Dropped messages count as sent, so that the status that waits behind them goes out.
  guarded.sendMessage = (message, sent) => {
    dropped ||= late || performance.now() >= lateAtMs;
    if (dropped) sent();
    else send(message, sent);
  };
  return guarded;
};
