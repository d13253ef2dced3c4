import type { Histogram } from './histogram.js';
import { METHODS } from './methods.js';

/** RPCs that got less than their share of `count` requests, or of whose requests less than half got past decoding. */
export function amountFaults(histogram: Histogram, count: number): string[] {
  const share = Math.floor(count / METHODS.length);
  return METHODS.flatMap(({ name }) => {
    const [sent, decoded] = [histogram.sent(name), histogram.decoded(name)];
    if (sent < share) return [`${name} was asked ${sent} times, not ${share}`];
    return decoded * 2 >= sent ? [] : [`only ${decoded} of ${sent} requests to ${name} got past decoding`];
  });
}
