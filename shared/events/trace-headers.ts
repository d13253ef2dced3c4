import { type MsgHdrs, headers as newHeaders } from '@nats-io/nats-core';
import { type Context, context, propagation, ROOT_CONTEXT } from '@opentelemetry/api';

const setter = { set: (headers: MsgHdrs, key: string, value: string) => headers.set(key, value) };
// A header that is absent reads as ''.
const getter = {
  get: (headers: MsgHdrs, key: string) => headers.get(key) || undefined,
  keys: (headers: MsgHdrs) => headers.keys(),
};

/** Headers that carry the W3C trace context of `from` (default: the active one). */
export function traceHeaders(from: Context = context.active()): MsgHdrs {
  const headers = newHeaders();
  propagation.inject(from, headers, setter);
  return headers;
}

/** The context that a message's headers carry; the root context where they carry none. */
export function contextOf(headers: MsgHdrs | undefined): Context {
  return headers ? propagation.extract(ROOT_CONTEXT, headers, getter) : ROOT_CONTEXT;
}
