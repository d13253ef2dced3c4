import type { EventConnection } from './connection.js';

/** The server was lost while it was asked. Whether it did what it was asked is not known. */
export class ConnectionLost extends Error {
  constructor() {
    super('the connection to NATS was lost');
    this.name = 'ConnectionLost';
  }
}

/**
 * A request to the server that fails at once when the server is lost, instead of waiting for an answer that cannot come.
 * Throws ConnectionLost, or what `request` throws.
 */
export async function whileConnected<T>(
  connection: Pick<EventConnection, 'connected' | 'onState'>,
  request: () => Promise<T>,
): Promise<T> {
  if (!connection.connected) throw new ConnectionLost();
  let off = (): void => {};
  const lost = new Promise<never>((_, reject) => {
    off = connection.onState((connected) => {
      if (!connected) reject(new ConnectionLost());
    });
  });
  const answer = request();
  // It may fail later still, when nobody waits for it any more.
  answer.catch(() => {});
  try {
    return await Promise.race([answer, lost]);
  } finally {
    off();
  }
}
