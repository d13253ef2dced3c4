import type { ClientHttp2Session, ServerHttp2Session } from 'node:http2';
import type { Server } from '@grpc/grpc-js';
import { Http2SubchannelConnector } from '@grpc/grpc-js/build/src/transport.js';
import { listenersOf } from './listeners.js';

/** What of grpc-js's own transport this needs. */
interface Transport {
  readonly session: ClientHttp2Session;
  canSendPing(): boolean;
}

const patched = new WeakSet<object>();

/**
 * Makes no keep-alive of a connection that is closing. A server that drains says so by GOAWAY and serves the calls that it has; Node sends no
 * PING on such a connection, and grpc-js 1.14 takes that for a dead peer and breaks every call on it
 * (github.com/grpc/grpc-node/issues/3068): each answer that is under way when the next keep-alive is due, within 10 s in a mesh.
 * A peer that vanishes while it drains is noticed by the deadlines of its calls alone.
 */
export function noKeepaliveOnceClosing(): void {
  const connector = Http2SubchannelConnector.prototype;
  if (patched.has(connector)) return;
  patched.add(connector);
  const { connect } = connector;
  connector.connect = async function (...args) {
    const transport = await connect.apply(this, args);
    const { prototype } = transport.constructor as unknown as { readonly prototype: Transport };
    if (!patched.has(prototype)) {
      patched.add(prototype);
      const { canSendPing } = prototype;
      prototype.canSendPing = function () {
        return !this.session.closed && canSendPing.call(this);
      };
    }
    return transport;
  };
}

/**
 * The same for a server, whose own keep-alive breaks a connection that it closes itself: in a drain, or when it replaces one
 * (`reset-limit.ts`). The PING that Node would not send is taken for answered. Call it when the server listens.
 */
export function noServerKeepaliveOnceClosing(server: Server): void {
  // grpc-js begins its keep-alive in a listener of its own, but calls `ping` only when it is due.
  for (const listening of listenersOf(server)) listening.on('session', answerPingOnceClosing);
}

type Ping = (answered: (error: Error | null, durationMs: number, payload: Buffer) => void) => boolean;

function answerPingOnceClosing(session: ServerHttp2Session): void {
  const ping = session.ping as Ping;
  const answered: Ping = (answer) => {
    if (!session.closed || session.destroyed) return ping.call(session, answer);
    process.nextTick(answer, null, 0, Buffer.alloc(8));
    return true;
  };
  session.ping = answered as typeof session.ping;
}
