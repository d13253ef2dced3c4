import { setMaxListeners } from 'node:events';
import * as grpc from '@grpc/grpc-js';
import { type Reason, ZmeshError } from '../errors.js';
import { targetOf } from './address-list.js';
import { channelCredentials, channelOptions, type TlsOptions } from './channel.js';
import type { KindOf, RequestOf, ResponseOf } from './definition.js';
import { errorOf } from './status.js';

/** How one call is made. */
export interface CallOptions {
  /** Cancels the call. */
  readonly signal?: AbortSignal;
  /** Deadline on performance.now's clock, as `CallContext` has it; passed on to the peer. */
  readonly deadline?: number | undefined;
  /** Deadline from now, milliseconds; the earlier of both counts. */
  readonly timeoutMs?: number;
  /** Sent with the call. Default none. */
  readonly metadata?: Readonly<Record<string, string>>;
  /** Called once with a reader of the trailing metadata. */
  readonly onTrailers?: (get: (key: string) => string | undefined) => void;
}

/** One method as a client sees it. */
export type Method<M> =
  KindOf<M> extends 'unary'
    ? (request: RequestOf<M>, options?: CallOptions) => Promise<ResponseOf<M>>
    : KindOf<M> extends 'serverStream'
      ? (request: RequestOf<M>, options?: CallOptions) => AsyncIterable<ResponseOf<M>>
      : KindOf<M> extends 'clientStream'
        ? (
            requests: AsyncIterable<RequestOf<M>> | Iterable<RequestOf<M>>,
            options?: CallOptions,
          ) => Promise<ResponseOf<M>>
        : never;

/** A typed client of a service. */
export type RpcClient<D> = { readonly [K in keyof D]: Method<D[K]> } & {
  /** Closes the channel; calls in flight finish. */
  close(): void;
};

/** Whom to call. */
export interface ConnectOptions<D> {
  /** `host:port`, or several separated by commas, names or IP addresses: calls go round robin over those that are up. */
  readonly address: string;
  /** Reason of the error when nobody can be reached. */
  readonly unavailable: Reason;
  /**
   * Methods that gRPC may call again, up to four times in all, where a peer is UNAVAILABLE before its answer began: only such
   * as change nothing. Default none.
   */
  readonly retried?: readonly (keyof D & string)[];
  /** Default: no TLS. */
  readonly tls?: TlsOptions | undefined;
  /** Metadata that every call sends, e.g. `authorization`. Default none. */
  readonly metadata?: Readonly<Record<string, string>> | undefined;
  /**
   * While calls wait, a peer that was silent for so long is asked whether it is still there; one that says nothing for half as
   * long again is lost with its calls. Default KEEPALIVE_MS; between services MESH_KEEPALIVE_MS.
   */
  readonly keepaliveMs?: number;
}

type AnyPeer = Pick<ConnectOptions<object>, 'unavailable' | 'metadata'>;

type StartCall = (
  ...args: unknown[]
) => grpc.ClientReadableStream<unknown> & grpc.ClientWritableStream<unknown>;

/**
 * A client of a generated service definition. Errors are ZmeshErrors, the peer's own where it sent details.
 * Leaving a stream early cancels it.
 */
export function connect<D extends object>(definition: D, options: ConnectOptions<D>): RpcClient<D> {
  const methods = definition as unknown as grpc.ServiceDefinition;
  const service = Object.values(methods)[0]?.path.split('/')[1] ?? '';
  const retried = (options.retried ?? []).map((name) => methods[name]!.path.split('/')[2]!);
  const Channel = grpc.makeGenericClientConstructor(methods, service);
  const channel = new Channel(
    targetOf(options.address),
    channelCredentials(options.tls),
    channelOptions(service, retried, options),
  );
  const client: Record<string, unknown> = { close: () => channel.close() };
  for (const [name, method] of Object.entries(methods)) {
    const start = (channel[name] as StartCall).bind(channel);
    client[name] = method.responseStream
      ? streamCall(start, options)
      : singleCall(start, method.requestStream, options);
  }
  return client as RpcClient<D>;
}

function metadataOf(peer: AnyPeer, options: CallOptions): grpc.Metadata {
  const sent = new grpc.Metadata();
  for (const [key, value] of Object.entries({ ...peer.metadata, ...options.metadata })) sent.set(key, value);
  return sent;
}

function grpcOptions(options: CallOptions): grpc.CallOptions {
  const { deadline = Number.POSITIVE_INFINITY, timeoutMs = Number.POSITIVE_INFINITY } = options;
  const leftMs = Math.min(deadline - performance.now(), timeoutMs);
  return leftMs === Number.POSITIVE_INFINITY ? {} : { deadline: Date.now() + leftMs };
}

function singleCall(start: StartCall, requestStream: boolean, peer: AnyPeer) {
  return (request: unknown, options: CallOptions = {}): Promise<unknown> =>
    new Promise((resolve, reject) => {
      if (options.signal?.aborted) {
        reject(abortError(options.signal));
        return;
      }
      const callback = (error: grpc.ServiceError | null, response: unknown): void => {
        release();
        if (!error) resolve(response);
        else reject(options.signal?.aborted ? abortError(options.signal) : errorOf(error, peer.unavailable));
      };
      const metadata = metadataOf(peer, options);
      const call = requestStream
        ? start(metadata, grpcOptions(options), callback)
        : start(request, metadata, grpcOptions(options), callback);
      const release = watch(call, options);
      if (requestStream) void sendAll(call, request as AsyncIterable<unknown>).catch(() => call.cancel());
    });
}

async function sendAll(
  call: grpc.ClientWritableStream<unknown>,
  requests: AsyncIterable<unknown> | Iterable<unknown>,
): Promise<void> {
  for await (const request of requests) {
    if (!call.write(request))
      await new Promise<void>((resolve) =>
        call
          .once('drain', resolve)
          .once('error', () => resolve())
          .once('close', () => resolve()),
      );
  }
  call.end();
}

function streamCall(start: StartCall, peer: AnyPeer) {
  return async function* (request: unknown, options: CallOptions = {}): AsyncGenerator<unknown> {
    if (options.signal?.aborted) throw abortError(options.signal);
    const call = start(request, metadataOf(peer, options), grpcOptions(options));
    const release = watch(call, options);
    const ended = new Promise<void>((resolve) => call.once('status', () => resolve()));
    try {
      for await (const message of call) yield message;
      await ended;
    } catch (error) {
      if (options.signal?.aborted) throw abortError(options.signal);
      throw errorOf(error as grpc.ServiceError, peer.unavailable);
    } finally {
      release();
      call.on('error', () => {});
      call.cancel();
    }
  };
}

/** What a caller's signal says: its own ZmeshError, DEADLINE for `AbortSignal.timeout`, else CANCELLED. */
function abortError({ reason }: AbortSignal): ZmeshError {
  if (reason instanceof ZmeshError) return reason;
  if (reason instanceof DOMException && reason.name === 'TimeoutError')
    return new ZmeshError('DEADLINE', 'the time of the signal is over', { cause: reason });
  return new ZmeshError('CANCELLED', 'the call was cancelled', { cause: reason });
}

/** Ties a call to its signal and trailers; returns what unties it. */
function watch(
  call: grpc.ClientReadableStream<unknown> | grpc.ClientWritableStream<unknown>,
  options: CallOptions,
): () => void {
  const cancel = (): void => call.cancel();
  // One signal may end many calls at once; Node would take more than ten listeners for a leak.
  if (options.signal) setMaxListeners(0, options.signal);
  options.signal?.addEventListener('abort', cancel, { once: true });
  if (options.onTrailers) {
    const { onTrailers } = options;
    call.on('status', (status: grpc.StatusObject) =>
      onTrailers((key) => status.metadata.get(key)[0]?.toString()),
    );
  }
  return () => options.signal?.removeEventListener('abort', cancel);
}
