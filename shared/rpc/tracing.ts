import * as grpc from '@grpc/grpc-js';
import {
  context,
  propagation,
  ROOT_CONTEXT,
  type Span,
  SpanKind,
  SpanStatusCode,
  trace,
} from '@opentelemetry/api';
import { recordServedCall } from '../telemetry/rpc-metrics.js';

const tracer = trace.getTracer('zmesh-rpc');
const setter = { set: (metadata: grpc.Metadata, key: string, value: string) => metadata.set(key, value) };
const getter = {
  get: (metadata: grpc.Metadata, key: string) => metadata.get(key)[0]?.toString(),
  keys: (metadata: grpc.Metadata) => Object.keys(metadata.getMap()),
};
/** Codes that mark a server span as failed; the others are the caller's (semantic conventions for RPC). */
const SERVER_FAULTS = new Set([
  grpc.status.UNKNOWN,
  grpc.status.DEADLINE_EXCEEDED,
  grpc.status.UNIMPLEMENTED,
  grpc.status.INTERNAL,
  grpc.status.UNAVAILABLE,
  grpc.status.DATA_LOSS,
]);

const untraced = (path: string): boolean => path.startsWith('/grpc.');
const attributes = (path: string): Record<string, string> => ({
  'rpc.system.name': 'grpc',
  'rpc.method': path.slice(1),
});

/** Client interceptor: a CLIENT span around each call, W3C trace context in its metadata. Health and reflection stay untraced. */
export const clientTracing: grpc.Interceptor = (options, nextCall) => {
  const path = options.method_definition.path;
  if (untraced(path)) return new grpc.InterceptingCall(nextCall(options));
  const span = tracer.startSpan(path.slice(1), { kind: SpanKind.CLIENT, attributes: attributes(path) });
  const spanContext = trace.setSpan(context.active(), span);
  return new grpc.InterceptingCall(nextCall(options), {
    start(metadata, _listener, next) {
      propagation.inject(spanContext, metadata, setter);
      next(metadata, {
        onReceiveStatus(status, nextStatus) {
          finish(span, status.code, status.details, status.code !== grpc.status.OK);
          nextStatus(status);
        },
      });
    },
  });
};

/** Server interceptor: a SERVER span around each call, child of the caller's, and its time as a metric; the handler runs inside its context. */
export const serverTracing: grpc.ServerInterceptor = (method, call) => {
  if (untraced(method.path)) return new grpc.ServerInterceptingCall(call);
  let span: Span | undefined;
  let startMs = 0;
  let active = ROOT_CONTEXT;
  const end = (code: grpc.status, details: string): void => {
    if (!span) return;
    const failed = SERVER_FAULTS.has(code);
    finish(span, code, details, failed);
    span = undefined;
    recordServedCall({
      method: method.path.slice(1),
      code: grpc.status[code],
      durationMs: performance.now() - startMs,
      failed,
    });
  };
  return new grpc.ServerInterceptingCall(call, {
    start(next) {
      next({
        onReceiveMetadata(metadata, nextMetadata) {
          startMs = performance.now();
          const parent = propagation.extract(ROOT_CONTEXT, metadata, getter);
          span = tracer.startSpan(
            method.path.slice(1),
            { kind: SpanKind.SERVER, attributes: attributes(method.path) },
            parent,
          );
          active = trace.setSpan(ROOT_CONTEXT, span);
          context.with(active, nextMetadata, undefined, metadata);
        },
        onReceiveMessage(message, nextMessage) {
          context.with(active, nextMessage, undefined, message);
        },
        onReceiveHalfClose(nextHalfClose) {
          context.with(active, nextHalfClose);
        },
        onCancel() {
          end(grpc.status.CANCELLED, 'cancelled by the caller');
        },
      });
    },
    sendStatus(status, next) {
      end(status.code ?? grpc.status.UNKNOWN, status.details ?? '');
      next(status);
    },
  });
};

function finish(span: Span, code: grpc.status, details: string, failed: boolean): void {
  span.setAttribute('rpc.status_code', grpc.status[code]);
  if (failed) {
    span.setAttribute('error.type', grpc.status[code]);
    span.setStatus({ code: SpanStatusCode.ERROR, message: details });
  }
  span.end();
}
