import * as grpc from '@grpc/grpc-js';
import type { Any } from '#proto/google/protobuf/any.js';
import { BadRequest, ErrorInfo, RetryInfo } from '#proto/google/rpc/error_details.js';
import { Status } from '#proto/google/rpc/status.js';
import { CODES, type Code, REASONS, type Reason, ZmeshError } from '../errors.js';
import { oneLine } from '../one-line.js';

const DETAILS_KEY = 'grpc-status-details-bin';
const DOMAIN = 'zmesh';
const TYPE = 'type.googleapis.com/google.rpc.';
/** Longest message, in characters: it travels in a header, and callers' names in it may have any length. */
const MESSAGE_MAX = 1000;
/** Longest value of a detail. */
const VALUE_MAX = 256;
/** How a reason is written. */
const REASON_FORM = /^[A-Z][A-Z0-9_]{0,63}$/;

/** An error as a gRPC status with google.rpc details: ErrorInfo always, BadRequest and RetryInfo where they apply. */
export function statusOf(error: ZmeshError): Partial<grpc.StatusObject> {
  const { field, limit, value, retryAfterMs, names } = error.details;
  const message = told(error.message, MESSAGE_MAX);
  const given = {
    ...names,
    ...(limit === undefined ? {} : { limit }),
    ...(value === undefined ? {} : { value }),
  };
  const metadata = Object.fromEntries(
    Object.entries(given).map(([key, fact]) => [key, told(String(fact), VALUE_MAX)]),
  );
  const details = [
    pack('ErrorInfo', ErrorInfo.encode({ reason: error.reason, domain: DOMAIN, metadata }).finish()),
  ];
  if (field !== undefined) {
    const violation = {
      field,
      description: message,
      reason: error.reason,
      localizedMessage: undefined,
    };
    details.push(pack('BadRequest', BadRequest.encode({ fieldViolations: [violation] }).finish()));
  }
  if (retryAfterMs !== undefined) {
    const retryDelay = {
      seconds: BigInt(Math.floor(retryAfterMs / 1000)),
      nanos: Math.round((retryAfterMs % 1000) * 1e6),
    };
    details.push(pack('RetryInfo', RetryInfo.encode({ retryDelay }).finish()));
  }
  const code = CODES[error.code];
  const trailers = new grpc.Metadata();
  trailers.set(DETAILS_KEY, Buffer.from(Status.encode({ code, message, details }).finish()));
  return { code, details: message, metadata: trailers };
}

/**
 * A failed call's error: the ZmeshError that the peer sent, rebuilt from its details; for a status without our details,
 * the reason that its code implies. `unavailable` is the reason for a peer that cannot be reached.
 */
export function errorOf(status: grpc.ServiceError, unavailable: Reason): ZmeshError {
  const sent = decodeDetails(status);
  if (sent) return sent;
  const cause = { cause: status };
  if (connectionBroke(status))
    return new ZmeshError(unavailable, `the connection broke: ${status.details}`, {
      ...cause,
      retryAfterMs: 1000,
    });
  switch (status.code) {
    case grpc.status.DEADLINE_EXCEEDED:
      return new ZmeshError('DEADLINE', 'the deadline passed', cause);
    case grpc.status.CANCELLED:
      return new ZmeshError('CANCELLED', 'the call was cancelled', cause);
    case grpc.status.UNAVAILABLE:
      return new ZmeshError(unavailable, `cannot be reached: ${status.details}`, {
        ...cause,
        retryAfterMs: 1000,
      });
    case grpc.status.RESOURCE_EXHAUSTED:
      return new ZmeshError('TOO_LARGE', status.details, cause);
    case grpc.status.INVALID_ARGUMENT:
      return new ZmeshError('INVALID_FIELD', status.details, cause);
    default:
      return new ZmeshError(
        'INTERNAL',
        `unexpected status ${grpc.status[status.code]}: ${status.details}`,
        cause,
      );
  }
}

/** Whether HTTP/2 and not the peer's handler ended the call: grpc-js tells it with codes that otherwise mean something else. */
function connectionBroke({ code, details }: grpc.ServiceError): boolean {
  // Whoever cancels himself has a signal, or is told 'Cancelled on client'.
  if (code === grpc.status.CANCELLED) return details === 'Call cancelled';
  if (code === grpc.status.INTERNAL) return details.startsWith('Received RST_STREAM with code');
  return code === grpc.status.RESOURCE_EXHAUSTED && details.startsWith('Bandwidth exhausted');
}

/** One bounded line without half characters: gRPC throws when it is to send a lone surrogate. */
const told = (text: string, max: number): string => Buffer.from(oneLine(text, max)).toString();

function codeOf(status: grpc.status): Code | undefined {
  return (Object.keys(CODES) as Code[]).find((code) => CODES[code] === Number(status));
}

function pack(name: string, value: Uint8Array): Any {
  return { typeUrl: TYPE + name, value };
}

function decodeDetails(status: grpc.ServiceError): ZmeshError | undefined {
  const raw = status.metadata?.get(DETAILS_KEY)[0];
  if (!Buffer.isBuffer(raw)) return undefined;
  const parts = new Map(Status.decode(raw).details.map((any) => [any.typeUrl.slice(TYPE.length), any.value]));
  const encoded = parts.get('ErrorInfo');
  if (!encoded) return undefined;
  const info = ErrorInfo.decode(encoded);
  if (info.domain !== DOMAIN) return undefined;
  const newer = info.reason in REASONS ? undefined : codeOf(status.code);
  if (!(info.reason in REASONS) && (newer === undefined || !REASON_FORM.test(info.reason))) return undefined;
  const { limit, value, ...names } = info.metadata;
  const field = parts.has('BadRequest')
    ? BadRequest.decode(parts.get('BadRequest')!).fieldViolations[0]?.field
    : undefined;
  const delay = parts.has('RetryInfo') ? RetryInfo.decode(parts.get('RetryInfo')!).retryDelay : undefined;
  return new ZmeshError(info.reason as Reason, status.details, {
    names,
    // A newer peer's reason is passed on as it is.
    ...(newer === undefined ? {} : { code: newer }),
    ...(limit === undefined ? {} : { limit }),
    ...(value === undefined ? {} : { value }),
    ...(field === undefined ? {} : { field }),
    ...(delay === undefined ? {} : { retryAfterMs: Number(delay.seconds) * 1000 + delay.nanos / 1e6 }),
  });
}
