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
  /** Gives up after so long without a message, milliseconds: `silent` is true then. Default: waits for the deadline. */
  readonly silenceMs?: number;
}

/** How a call ended. */
export interface RawAnswer {
  readonly code: number;
  readonly message: string;
  /** The peer's google.rpc.ErrorInfo; undefined if it sent none. */
  readonly info: ErrorInfo | undefined;
  /** The answers' bytes. */
  readonly messages: readonly Buffer[];
  /** True if the caller gave up because nothing came for `silenceMs`. */
  readonly silent: boolean;
  readonly times: CallTimes;
}

/** How long a caller waited, milliseconds. */
export interface CallTimes {
  /** From the call to its end. */
  readonly allMs: number;
  /** The longest time in which nothing came, and after how many messages that was. */
  readonly silenceMs: number;
  readonly silenceAfter: number;
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
    const watch = watchSilence(call.silenceMs, () => open.cancel());
    const open = start(client, call, (message) => {
      watch.heard();
      messages.push(message);
      if (messages.length === call.cancelAfter || call.leaveAfter?.(message)) open.cancel();
    });
    open.on('error', () => {});
    open.on('status', ({ code, details, metadata }: grpc.StatusObject) => {
      resolve({ code, message: details, info: infoOf(metadata), messages, ...watch.end() });
    });
    if (call.cancelAfter === 0) setImmediate(() => open.cancel());
  });
}

/** Measures the waits between messages; calls `giveUp` once after `limitMs` in which none came. */
function watchSilence(limitMs: number | undefined, giveUp: () => void) {
  const startMs = performance.now();
  let lastMs = startMs;
  let [count, silenceMs, silenceAfter] = [0, 0, 0];
  let silent = false;
  const timer =
    limitMs === undefined
      ? undefined
      : setTimeout(() => {
          silent = true;
          giveUp();
        }, limitMs);
  const note = (): number => {
    const nowMs = performance.now();
    if (nowMs - lastMs > silenceMs) [silenceMs, silenceAfter] = [nowMs - lastMs, count];
    lastMs = nowMs;
    return nowMs;
  };
  return {
    heard(): void {
      note();
      count += 1;
      timer?.refresh();
    },
    end(): Pick<RawAnswer, 'silent' | 'times'> {
      clearTimeout(timer);
      const allMs = note() - startMs;
      return { silent, times: { allMs, silenceMs, silenceAfter } };
    },
  };
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
