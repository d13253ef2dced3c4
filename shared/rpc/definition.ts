import type * as grpc from '@grpc/grpc-js';

/** A service as ts-proto generates it for grpc-js: its methods by lowerCamel name. */
export type ServiceDefinition =
  | Readonly<Record<string, grpc.MethodDefinition<never, never>>>
  | grpc.ServiceDefinition;

/** Request message of a method. */
export type RequestOf<M> = M extends { requestDeserialize: (bytes: Buffer) => infer Q } ? Q : never;

/** Response message of a method. */
export type ResponseOf<M> = M extends { responseDeserialize: (bytes: Buffer) => infer R } ? R : never;

/** Kind of a method. */
export type KindOf<M> = M extends { requestStream: true; responseStream: true }
  ? 'bidi'
  : M extends { requestStream: true }
    ? 'clientStream'
    : M extends { responseStream: true }
      ? 'serverStream'
      : 'unary';
