import assert from 'node:assert/strict';
import type http2 from 'node:http2';
import type { Socket } from 'node:net';
import type { Server } from '@grpc/grpc-js';

/** The HTTP/2 servers with which a gRPC server listens; grpc-js keeps them to itself. Call it when the server listens. */
export function listenersOf(server: Server): readonly http2.Http2Server[] {
  const { http2Servers } = server as unknown as { http2Servers?: ReadonlyMap<http2.Http2Server, unknown> };
  assert.ok(
    http2Servers && http2Servers.size > 0,
    'grpc-js keeps the servers that it listens with elsewhere',
  );
  return [...http2Servers.keys()];
}

/** The connections that are open, from now on: a set that changes. */
export function openSockets(server: Server): ReadonlySet<Socket> {
  const sockets = new Set<Socket>();
  for (const listening of listenersOf(server))
    listening.on('connection', (socket: Socket) => {
      sockets.add(socket);
      socket.once('close', () => sockets.delete(socket));
    });
  return sockets;
}
