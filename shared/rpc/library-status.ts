import * as grpc from '@grpc/grpc-js';
import { ZmeshError } from '../errors.js';
import { statusOf } from './status.js';

type SentStatus = Partial<grpc.StatusObject>;

const TOO_LARGE = [
  /^Received message larger than max \((?<value>\d+) vs\.? (?<limit>\d+)\)$/,
  /^Received message that decompresses to a size larger than (?<limit>\d+)$/,
];

/**
 * Server interceptor: what grpc-js refuses by itself, before a handler sees it, leaves with a reason and details as well.
 * grpc-js sends those statuses from the innermost call, past every interceptor; therefore that call's own method is replaced,
 * and this must be the first of the interceptors.
 */
export const reasonedRefusals: grpc.ServerInterceptor = (_method, call) => {
  const innermost = call as unknown as { sendStatus(status: SentStatus): void };
  const send = innermost.sendStatus.bind(call);
  innermost.sendStatus = (status) => {
    const error = refusalOf(status);
    send(error ? { ...status, ...statusOf(error) } : status);
  };
  return new grpc.ServerInterceptingCall(call);
};

function refusalOf({ code, details = '' }: SentStatus): ZmeshError | undefined {
  if (code === grpc.status.RESOURCE_EXHAUSTED) {
    const found = TOO_LARGE.map((pattern) => pattern.exec(details)?.groups).find(Boolean);
    if (!found?.limit) return undefined;
    const { limit, value } = found;
    const given = value === undefined ? 'more' : `${value} bytes`;
    return new ZmeshError('TOO_LARGE', `a message may have ${limit} bytes, it has ${given}`, {
      limit,
      ...(value === undefined ? {} : { value }),
    });
  }
  if (code === grpc.status.INTERNAL && details === 'Failed to decompress message')
    return new ZmeshError('INVALID_FIELD', 'the message is not compressed as its headers say');
  return undefined;
}
