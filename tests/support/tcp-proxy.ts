import { connect, createServer, type Socket } from 'node:net';
import type { Cleanup } from './cleanup.js';

/** A TCP proxy that can become half-open: connections stay, bytes no longer pass. */
export interface TcpProxy {
  /** `host:port` to call instead of the target. */
  readonly address: string;
  /** From now on nothing passes, in either direction, and nobody is told; new connections are taken and lead nowhere. */
  stall(): void;
  /** Passes on again. What was held back is delivered. */
  resume(): void;
}

/** Starts a proxy before `target`, `host:port`; it goes away in the end. */
export async function startTcpProxy(t: Cleanup, target: string): Promise<TcpProxy> {
  const [host, port] = [
    target.slice(0, target.lastIndexOf(':')),
    Number(target.slice(target.lastIndexOf(':') + 1)),
  ];
  const sockets = new Set<Socket>();
  let stalled = false;
  const keep = (socket: Socket): Socket => {
    sockets.add(socket);
    socket.on('error', () => {}).on('close', () => sockets.delete(socket));
    if (stalled) socket.pause();
    return socket;
  };
  const join = (from: Socket, to: Socket): void => {
    from.on('data', (bytes) => to.write(bytes));
    from.on('end', () => to.end());
    from.on('close', () => to.destroy());
    if (stalled) from.pause();
  };
  const server = createServer((near) => {
    const far = keep(connect(port, host));
    join(keep(near), far);
    join(far, near);
  });
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  t.after(async () => {
    for (const socket of sockets) socket.destroy();
    await new Promise((closed) => server.close(closed));
  });
  const bound = server.address() as { port: number };
  return {
    address: `127.0.0.1:${bound.port}`,
    stall() {
      stalled = true;
      for (const socket of sockets) socket.pause();
    },
    resume() {
      stalled = false;
      for (const socket of sockets) socket.resume();
    },
  };
}
