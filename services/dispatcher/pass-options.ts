import { ageMetadata } from '#shared/rpc/age.js';
import type { CallOptions } from '#shared/rpc/client.js';
import type { Question } from './question.js';

/**
 * How a pass calls inference: with what is left of its caller's time, and in the queue's order by when the request came in
 * here. A second pass so goes before those who came later; behind them it would wait the whole queue twice.
 */
export function passOptions({ signal, deadline, arrivedMs }: Question): CallOptions {
  return { signal, deadline, metadata: ageMetadata(arrivedMs) };
}
