import type * as grpc from '@grpc/grpc-js';
import { ZmeshError } from '../errors.js';
import type { Logger } from '../log.js';
import type { Admissions, AdmissionTable, Admit } from './admission.js';
import { type AnyServerCall, type CallContext, type OpenCalls, type ServedCall, serveCall } from './call.js';
import { refusingMalformed, strictMethods } from './decode.js';
import type { KindOf, RequestOf, ResponseOf } from './definition.js';
import { statusOf } from './status.js';

/** The handler of one method: a promise for one answer, an async iterable for a stream of them. */
export type Handler<M> =
  KindOf<M> extends 'unary'
    ? (request: RequestOf<M>, call: CallContext) => Promise<ResponseOf<M>>
    : KindOf<M> extends 'serverStream'
      ? (request: RequestOf<M>, call: CallContext) => AsyncIterable<ResponseOf<M>>
      : KindOf<M> extends 'clientStream'
        ? (requests: AsyncIterable<RequestOf<M>>, call: CallContext) => Promise<ResponseOf<M>>
        : never;

/** Handlers of all methods of a service. */
export type Handlers<D> = { readonly [K in keyof D]: Handler<D[K]> };

/** A service and its handlers, ready to be served. */
export interface Binding {
  /** Fully qualified name, `zmesh.v1.DispatcherService`. */
  readonly name: string;
  readonly definition: grpc.ServiceDefinition;
  /** Who is let in before anything is done for him. */
  readonly admissions: AdmissionTable;
  /** `open` holds the calls that are worked on. */
  implementation(log: Logger, open: OpenCalls): grpc.UntypedServiceImplementation;
}

type AnyHandler = (request: never, call: CallContext) => Promise<unknown> | AsyncIterable<unknown>;

/**
 * Binds handlers to a generated service definition. Whatever a handler throws becomes a status with details. `admissions`
 * refuse calls before that; default none.
 */
export function bind<D extends object>(
  definition: D,
  handlers: Handlers<D>,
  admissions: Admissions<D> = {},
): Binding {
  const methods = strictMethods(definition as unknown as grpc.ServiceDefinition);
  const path = Object.values(methods)[0]?.path ?? '';
  return {
    name: path.split('/')[1] ?? '',
    definition: methods,
    admissions: new Map(
      Object.entries(admissions).map(([name, admit]) => [methods[name]!.path, admit as Admit<never>]),
    ),
    implementation: (log, open) =>
      Object.fromEntries(
        Object.entries(methods).map(([name, method]) => [
          name,
          adapt(method, refusingMalformed(handlers[name as keyof D] as unknown as AnyHandler, method), {
            log,
            open,
          }),
        ]),
      ),
  };
}

function adapt(
  method: grpc.MethodDefinition<unknown, unknown>,
  handler: AnyHandler,
  { log, open }: { readonly log: Logger; readonly open: OpenCalls },
): grpc.UntypedHandleCall {
  if (method.responseStream) {
    return (async (call: grpc.ServerWritableStream<never, never>) => {
      let over = false;
      const fail = (thrown: unknown): void => {
        if (!over) call.emit('error', failure(method.path, thrown, served, log));
        over = true;
      };
      const served = serveCall(call as unknown as AnyServerCall, open, fail);
      try {
        for await (const message of handler(call.request, served.context) as AsyncIterable<never>) {
          served.context.signal.throwIfAborted();
          if (!call.write(message)) await drained(call, served.context.signal);
        }
        if (!over) call.end(served.trailers);
      } catch (thrown) {
        fail(thrown);
      } finally {
        served.close();
      }
    }) as unknown as grpc.UntypedHandleCall;
  }
  return (async (
    call: grpc.ServerUnaryCall<never, never> & grpc.ServerReadableStream<never, never>,
    callback: grpc.sendUnaryData<never>,
  ) => {
    let over = false;
    const answer: typeof callback = (...given) => {
      if (!over) callback(...given);
      over = true;
    };
    const fail = (thrown: unknown): void => answer(failure(method.path, thrown, served, log), null);
    const served = serveCall(call as unknown as AnyServerCall, open, fail);
    try {
      const input = (method.requestStream ? call : call.request) as never;
      const response = (await handler(input, served.context)) as never;
      answer(null, response, served.trailers);
    } catch (thrown) {
      fail(thrown);
    } finally {
      served.close();
    }
  }) as unknown as grpc.UntypedHandleCall;
}

/** The one place where an error becomes a status; faults of ours are logged with their cause. */
function failure(
  path: string,
  thrown: unknown,
  served: ServedCall,
  log: Logger,
): Partial<grpc.StatusObject> & Error {
  const error = ZmeshError.from(thrown);
  if (error.reason === 'INTERNAL' || error.reason === 'CORRUPT')
    log.error({ err: error, cause: error.details.cause, path }, error.message);
  else log.debug({ reason: error.reason, path }, error.message);
  const status = statusOf(error);
  status.metadata?.merge(served.trailers);
  return Object.assign(new Error(error.message), status);
}

function drained(call: grpc.ServerWritableStream<never, never>, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const done = (): void => {
      call.off('drain', done);
      signal.removeEventListener('abort', done);
      if (signal.aborted) reject(signal.reason);
      else resolve();
    };
    if (signal.aborted) {
      reject(signal.reason);
      return;
    }
    call.on('drain', done);
    signal.addEventListener('abort', done, { once: true });
  });
}
