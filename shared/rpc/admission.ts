import * as grpc from '@grpc/grpc-js';
import type { ZmeshError } from '../errors.js';
import { recordServedCall } from '../telemetry/rpc-metrics.js';
import { Malformed } from './decode.js';
import type { RequestOf } from './definition.js';
import { statusOf } from './status.js';

/** What is known of a call before it is begun. */
export interface EarlyCall {
  /** Until the caller's deadline, milliseconds; infinite = it has none. */
  readonly leftMs: number;
}

/** Looks at a request before anything else is done for it; the error that it is refused with, undefined = it may go on. */
export type Admit<Request> = (request: Request, call: EarlyCall) => ZmeshError | undefined;

/** Admission of some methods of a service; all of them with one request. */
export type Admissions<D> = { readonly [K in keyof D]?: Admit<RequestOf<D[K]>> };

/** Admission by a method's path. */
export type AdmissionTable = ReadonlyMap<string, Admit<never>>;

type SentStatus = Parameters<grpc.ServerInterceptingCall['sendStatus']>[0];

/**
 * Server interceptor: refuses what is not admitted as soon as its message is there. A refusal costs what gRPC itself costs and
 * is counted; it has no span, no log line, no timers and no handler. The interceptors after this one do not hear of it.
 */
export function admission(table: AdmissionTable): grpc.ServerInterceptor {
  // One error may refuse a whole crowd: its status is encoded once.
  const statuses = new WeakMap<ZmeshError, SentStatus>();
  const statusFor = (error: ZmeshError): SentStatus => {
    let status = statuses.get(error);
    if (!status) {
      const { code = grpc.status.UNKNOWN, details = '', metadata = null } = statusOf(error);
      status = { code, details, metadata };
      statuses.set(error, status);
    }
    return status;
  };
  return (method, call) => {
    const admit = table.get(method.path);
    if (!admit) return new grpc.ServerInterceptingCall(call);
    // The call begins for the others when its message is there.
    let begin: (() => void) | undefined;
    const begun = (): void => {
      begin?.();
      begin = undefined;
    };
    // Who begins asks for the next message at once, and the end of the request may be there already: it must not overtake the
    // message that is being passed on, or the request looks empty (as a compressed one did, whose end came while it was inflated).
    let passing = false;
    let ended: (() => void) | undefined;
    return new grpc.ServerInterceptingCall(call, {
      start(next) {
        next({
          onReceiveMetadata(metadata, nextMetadata) {
            begin = () => nextMetadata(metadata);
            call.startRead();
          },
          onReceiveMessage(message, nextMessage) {
            const first = begin !== undefined && !(message instanceof Malformed);
            const leftMs = Number(call.getDeadline()) - Date.now();
            const error = first ? admit(message as never, { leftMs }) : undefined;
            if (error) {
              const status = statusFor(error);
              recordServedCall({
                method: method.path.slice(1),
                code: error.code,
                durationMs: 0,
                failed: false,
              });
              call.sendStatus(status);
              return;
            }
            passing = true;
            begun();
            nextMessage(message);
            passing = false;
            ended?.();
          },
          onReceiveHalfClose(nextHalfClose) {
            begun();
            if (passing) ended = nextHalfClose;
            else nextHalfClose();
          },
        });
      },
    });
  };
}
