import type { EventConnection } from './connection.js';
import { whileConnected } from './while-connected.js';

/** Where a stream ends. */
export interface StreamEnd {
  /** Sequence of its last message; 0 = it never had one. */
  readonly sequence: number;
  /** Its last message; undefined if it holds none. */
  readonly data: Uint8Array | undefined;
}

/** The end of a stream. Throws if its last message cannot be read, ConnectionLost, or what the NATS client throws. */
export async function readStreamEnd(connection: EventConnection, stream: string): Promise<StreamEnd> {
  const { streams } = connection.jsm;
  const { state } = await whileConnected(connection, () => streams.info(stream));
  if (state.messages === 0) return { sequence: state.last_seq, data: undefined };
  const last = await whileConnected(connection, () => streams.getMessage(stream, { seq: state.last_seq }));
  if (!last) throw new Error(`message ${state.last_seq} of ${stream} cannot be read`);
  return { sequence: last.seq, data: last.data };
}
