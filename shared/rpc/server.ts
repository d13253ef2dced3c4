import type { Socket } from 'node:net';
import * as grpc from '@grpc/grpc-js';
import { HealthImplementation } from 'grpc-health-check';
import { ZmeshError } from '../errors.js';
import type { Logger } from '../log.js';
import { admission } from './admission.js';
import type { Binding } from './bind.js';
import type { OpenCalls } from './call.js';
import { noServerKeepaliveOnceClosing } from './closing-keepalive.js';
import { noLateMessages } from './deadline.js';
import { reasonedRefusals } from './library-status.js';
import { KEEPALIVE_MS, MESSAGE_BYTES_MAX } from './limits.js';
import { openSockets } from './listeners.js';
import { addReflection } from './reflection.js';
import { replaceBeforeResetLimit } from './reset-limit.js';
import { serverTracing } from './tracing.js';

/** How long connections that are cut off have to send what is on its way. */
const LAST_WORDS_MS = 100;

/** What to serve and where. */
export interface ServeOptions {
  /** Address to listen on, e.g. `127.0.0.1` or `0.0.0.0`. */
  readonly host: string;
  /** Port; 0 = a free one. */
  readonly port: number;
  readonly services: readonly Binding[];
  readonly log: Logger;
  /** Default MESSAGE_BYTES_MAX. */
  readonly maxReceiveBytes?: number;
  /** How often a caller is asked whether it is there. Default KEEPALIVE_MS. */
  readonly keepaliveMs?: number;
}

/** A listening server with health and reflection. */
export interface RpcServer {
  readonly host: string;
  readonly port: number;
  /** `host:port`. */
  readonly address: string;
  /** What health answers for the server and each of its services. Starts as SERVING. */
  setServing(serving: boolean): void;
  /** Says NOT_SERVING, takes no new calls, lets running ones finish for `timeoutMs`, then ends them with DRAINING. */
  drain(timeoutMs: number): Promise<void>;
}

/** Starts a server. Throws INVALID_FIELD with the address if the port is taken. */
export async function serve(options: ServeOptions): Promise<RpcServer> {
  const limit = options.maxReceiveBytes ?? MESSAGE_BYTES_MAX;
  const server = new grpc.Server({
    interceptors: [
      reasonedRefusals,
      admission(new Map(options.services.flatMap(({ admissions }) => [...admissions]))),
      serverTracing,
      noLateMessages,
    ],
    // As in channel.ts: what channelz counts is not served.
    'grpc.enable_channelz': 0,
    'grpc.max_receive_message_length': limit,
    'grpc.max_send_message_length': MESSAGE_BYTES_MAX,
    'grpc.keepalive_time_ms': options.keepaliveMs ?? KEEPALIVE_MS,
    'grpc.keepalive_timeout_ms': 20_000,
  });
  const open: OpenCalls = new Set();
  const names = options.services.map((service) => service.name);
  const health = new HealthImplementation(
    Object.fromEntries(['', ...names].map((name) => [name, 'SERVING'])),
  );
  health.addToServer(server);
  for (const service of options.services)
    server.addService(service.definition, service.implementation(options.log, open));
  addReflection(server, [...names, 'grpc.health.v1.Health', 'grpc.reflection.v1.ServerReflection']);
  const port = await listen(server, options.host, options.port);
  replaceBeforeResetLimit(server);
  noServerKeepaliveOnceClosing(server);
  const sockets = openSockets(server);
  const setServing = (serving: boolean): void => {
    for (const name of ['', ...names]) health.setStatus(name, serving ? 'SERVING' : 'NOT_SERVING');
  };
  return {
    host: options.host,
    port,
    address: `${options.host}:${port}`,
    setServing,
    drain: (timeoutMs) => {
      setServing(false);
      return shutDown(server, { timeoutMs, sockets, open, log: options.log });
    },
  };
}

async function listen(server: grpc.Server, host: string, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    server.bindAsync(`${host}:${port}`, grpc.ServerCredentials.createInsecure(), (error, bound) => {
      if (!error) resolve(bound);
      else {
        reject(
          new ZmeshError(
            'INVALID_FIELD',
            `cannot listen on ${host}:${port}: ${/EADDRINUSE/.test(error.message) ? 'the port is taken' : error.message}`,
            { cause: error, value: port },
          ),
        );
      }
    });
  });
}

/**
 * tryShutdown waits for ever while a health watch is open, hence the timer; forceShutdown waits for ever until a peer that
 * does not move closes its side, hence the sockets.
 */
function shutDown(
  server: grpc.Server,
  parts: {
    readonly timeoutMs: number;
    readonly sockets: ReadonlySet<Socket>;
    readonly open: OpenCalls;
    readonly log: Logger;
  },
): Promise<void> {
  const { timeoutMs, sockets } = parts;
  return new Promise((resolve) => {
    const timer = setTimeout(() => {
      cutOff(parts);
      // What calls and the shutdown itself have to say goes out first.
      setTimeout(() => server.forceShutdown(), LAST_WORDS_MS);
      setTimeout(() => {
        for (const socket of sockets) socket.destroy();
      }, 2 * LAST_WORDS_MS);
    }, timeoutMs);
    server.tryShutdown(() => {
      clearTimeout(timer);
      resolve();
    });
  });
}

/** Ends the calls that are still worked on, with the reason. */
function cutOff({
  timeoutMs,
  open,
  log,
}: {
  readonly timeoutMs: number;
  readonly open: OpenCalls;
  readonly log: Logger;
}): void {
  if (open.size === 0) return;
  log.warn({ calls: open.size, drainMs: timeoutMs }, 'calls are cut off: the drain took too long');
  const message = `the service is shutting down, and this call was not over within ${timeoutMs} ms; what was sent is incomplete`;
  for (const end of [...open])
    end(new ZmeshError('DRAINING', message, { limit: timeoutMs, retryAfterMs: 0 }));
}
