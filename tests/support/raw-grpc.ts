import * as grpc from '@grpc/grpc-js';
import { ErrorInfo } from '#proto/google/rpc/error_details.js';
import { Status } from '#proto/google/rpc/status.js';

/** How a method is called; the names of `shared/rpc/definition.ts`. */
export type RawKind = 'unary' | 'serverStream' | 'clientStream';

/** One call with its messages as bytes, whatever they hold. */
export interface RawCall {
  /** `/zmesh.v1.DispatcherService/Generate`. */
  readonly path: string;
  readonly kind: RawKind;
  /** One, or any number for a client stream. */
  readonly messages: readonly Uint8Array[];
  /** Deadline from now, milliseconds; negative = passed already. */
  readonly deadlineMs: number;
  /** Sent as `grpc-timeout` (`1m` = one millisecond) instead of what the deadline says: the server's clock alone runs out. */
  readonly serverTimeout?: string;
  /** Cancels after so many answers, or at once for 0. Default never. */
  readonly cancelAfter?: number;
  /** Cancels after the first answer for which this is true. */
  readonly leaveAfter?: (answer: Buffer) => boolean;
}

/** How a call ended. */
export interface RawAnswer {
  readonly code: number;
  readonly message: string;
  /** The peer's google.rpc.ErrorInfo; undefined if it sent none. */
  readonly info: ErrorInfo | undefined;
  /** The answers' bytes. */
  readonly messages: readonly Buffer[];
}

/** A client that sends any bytes to any method. */
export interface RawClient {
  /** Resolves however the call ends. */
  call(call: RawCall): Promise<RawAnswer>;
  close(): void;
}

const asIs = (bytes: Uint8Array): Buffer => Buffer.from(bytes);
const DETAILS_KEY = 'grpc-status-details-bin';
const INFO_TYPE = 'type.googleapis.com/google.rpc.ErrorInfo';

/** Connects without a schema. Answers and requests may have any size. */
export function rawClient(address: string): RawClient {
  const client = new grpc.Client(address, grpc.credentials.createInsecure(), {
    'grpc.max_receive_message_length': -1,
    'grpc.max_send_message_length': -1,
    'grpc.use_local_subchannel_pool': 1,
  });
  return { call: (call) => answerOf(client, call), close: () => client.close() };
}

function answerOf(client: grpc.Client, call: RawCall): Promise<RawAnswer> {
  return new Promise((resolve) => {
    const messages: Buffer[] = [];
    const open = start(client, call, (message) => {
      messages.push(message);
      if (messages.length === call.cancelAfter || call.leaveAfter?.(message)) open.cancel();
    });
    open.on('error', () => {});
    open.on('status', (status: grpc.StatusObject) => {
      resolve({ code: status.code, message: status.details, info: infoOf(status.metadata), messages });
    });
    if (call.cancelAfter === 0) setImmediate(() => open.cancel());
  });
}

function start(
  client: grpc.Client,
  call: RawCall,
  take: (message: Buffer) => void,
): grpc.ClientReadableStream<Buffer> {
  const { path, kind, messages, deadlineMs, serverTimeout } = call;
  const metadata = new grpc.Metadata();
  if (serverTimeout !== undefined) metadata.set('grpc-timeout', serverTimeout);
  const options = serverTimeout === undefined ? { deadline: Date.now() + deadlineMs } : {};
  const done = (_: grpc.ServiceError | null, answer?: Buffer): void => {
    if (answer) take(answer);
  };
  const first = messages[0] ?? new Uint8Array(0);
  if (kind === 'serverStream') {
    const stream = client.makeServerStreamRequest(path, asIs, (bytes) => bytes, first, metadata, options);
    return stream.on('data', take);
  }
  if (kind === 'unary')
    return client.makeUnaryRequest(path, asIs, (bytes) => bytes, first, metadata, options, done) as never;
  const stream = client.makeClientStreamRequest(path, asIs, (bytes) => bytes, metadata, options, done);
  for (const message of messages) stream.write(message);
  stream.end();
  return stream as never;
}

function infoOf(metadata: grpc.Metadata): ErrorInfo | undefined {
  const raw = metadata.get(DETAILS_KEY)[0];
  if (!Buffer.isBuffer(raw)) return undefined;
  const packed = Status.decode(raw).details.find(({ typeUrl }) => typeUrl === INFO_TYPE);
  return packed && ErrorInfo.decode(packed.value);
}
