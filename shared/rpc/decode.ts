import { BinaryReader, getTextEncoding } from '@bufbuild/protobuf/wire';
import type * as grpc from '@grpc/grpc-js';
import { ZmeshError } from '../errors.js';

/** Stands for a request whose bytes are no message: grpc-js would answer INTERNAL, as if the fault were ours. */
export class Malformed {
  readonly error: ZmeshError;

  constructor(cause: unknown) {
    const what = cause instanceof Error ? cause.message : String(cause);
    this.error = new ZmeshError('INVALID_FIELD', `the request is no message of this method: ${what}`, {
      cause,
    });
  }
}

type Decode<T> = (bytes: Buffer) => T;
const text = getTextEncoding();

/**
 * Makes a generated decoder strict: strings must be UTF-8 (by default U+FFFD would silently take the place of what is not),
 * and all bytes must belong to the message. What cannot be decoded becomes a `Malformed`.
 */
export function strictly<T>(decode: Decode<T>): Decode<T | Malformed> {
  return (bytes) => {
    try {
      const reader = new BinaryReader(bytes, (slice) => text.decodeUtf8(slice, true));
      // The generated decoders take a reader as well, though grpc-js's types do not say so.
      const message = decode(reader as unknown as Buffer);
      if (reader.pos !== reader.len) throw new Error(`it ends after ${reader.pos} of ${reader.len} bytes`);
      return message;
    } catch (error) {
      return new Malformed(error);
    }
  };
}

/** The methods of a service with strict decoders. */
export function strictMethods(methods: grpc.ServiceDefinition): grpc.ServiceDefinition {
  const strict = Object.entries(methods).map(([name, method]) => {
    return [name, { ...method, requestDeserialize: strictly(method.requestDeserialize) }] as const;
  });
  return Object.fromEntries(strict);
}

/** A handler that refuses what is no message, throwing INVALID_FIELD; in a stream of requests when its turn comes. */
export function refusingMalformed<C, R>(
  handler: (request: never, call: C) => R,
  { requestStream }: { readonly requestStream: boolean },
): (request: never, call: C) => R {
  return (request, call) =>
    handler((requestStream ? allWellFormed(request) : wellFormed(request)) as never, call);
}

function wellFormed(request: unknown): unknown {
  if (request instanceof Malformed) throw request.error;
  return request;
}

async function* allWellFormed(requests: AsyncIterable<unknown>): AsyncGenerator<unknown> {
  for await (const request of requests) yield wellFormed(request);
}
