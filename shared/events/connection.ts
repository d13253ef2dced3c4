import { type JetStreamClient, type JetStreamManager, jetstream, jetstreamManager } from '@nats-io/jetstream';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import { ZmeshError } from '../errors.js';
import type { Logger } from '../log.js';
import { observeLevel } from '../telemetry/instruments.js';
import { ZMESH } from '../telemetry/semconv.js';
import { readServerList, type ServerList } from './server-list.js';
import { compareVersions, MINIMUM_SERVER_VERSION } from './server-version.js';

/** A connection to NATS that comes back by itself. */
export interface EventConnection {
  readonly nc: NatsConnection;
  readonly js: JetStreamClient;
  readonly jsm: JetStreamManager;
  /** False from the moment the server is lost until it is back. */
  readonly connected: boolean;
  /** Calls `listener` whenever the server is lost (false) or back (true); returns what stops it. */
  onState(listener: (connected: boolean) => void): () => void;
  /** Sends what waits and closes. Never throws. */
  close(): Promise<void>;
}

/** Where to connect. */
export interface EventConnectionOptions {
  /** `nats://[user:password@]host:port` (or `tls://`), or several separated by commas; `nats://token@host` for a token. */
  readonly url: string;
  /** Name of the client, as the server lists it. */
  readonly name: string;
  readonly log: Logger;
  /** How long the first connection may take. Default 5000. */
  readonly connectTimeoutMs?: number;
}

const CONNECTED = {
  name: 'zmesh.nats.connected',
  unit: '1',
  description: '1 while the connection to NATS is up, 0 while it is dialled',
};

/** A call that gets no answer from JetStream fails after this time. */
export const REQUEST_TIMEOUT_MS = 3000;

const CONNECT_TIMEOUT_MS = 5000;
const RECONNECT_WAIT_MS = 250;
const PING_INTERVAL_MS = 10_000;

/**
 * Connects to NATS and then stays connected: a lost server is dialled for ever.
 * Throws REGISTRY_UNAVAILABLE with the address if there is no server, no JetStream, or one older than 2.11.
 */
export async function connectEvents(options: EventConnectionOptions): Promise<EventConnection> {
  const { name, log } = options;
  const list = serverList(options.url);
  const url = list.shown;
  const nc = await dial(options, list);
  try {
    const version = nc.info?.version ?? '';
    if (compareVersions(version, MINIMUM_SERVER_VERSION) < 0) {
      const message = `nats-server ${version} at ${url} is too old, zmesh needs ${MINIMUM_SERVER_VERSION} or newer`;
      throw new ZmeshError('REGISTRY_UNAVAILABLE', message, {
        limit: MINIMUM_SERVER_VERSION,
        value: version,
      });
    }
    const jsm = await jetstreamManager(nc, { timeout: REQUEST_TIMEOUT_MS }).catch((cause: Error) => {
      throw new ZmeshError('REGISTRY_UNAVAILABLE', `NATS at ${url} has no JetStream: ${cause.message}`, {
        cause,
      });
    });
    const state = watchState(nc, log.child({ nats: url, client: name }));
    const stopMetrics = observeLevel(CONNECTED, () => [
      { value: state.connected ? 1 : 0, attributes: { [ZMESH.CONNECTION]: name } },
    ]);
    return {
      nc,
      jsm,
      js: jetstream(nc, { timeout: REQUEST_TIMEOUT_MS }),
      get connected() {
        return state.connected;
      },
      onState: state.onState,
      close() {
        stopMetrics();
        return close(nc);
      },
    };
  } catch (error) {
    await close(nc);
    throw error;
  }
}

/** Throws REGISTRY_UNAVAILABLE for what is no list of servers; what was given may hold a password and is not repeated. */
function serverList(url: string): ServerList {
  try {
    return readServerList(url);
  } catch (cause) {
    const why = cause instanceof TypeError && 'input' in cause ? 'it is no URL' : (cause as Error).message;
    throw new ZmeshError('REGISTRY_UNAVAILABLE', `the address of NATS cannot be used: ${why}`);
  }
}

async function dial(options: EventConnectionOptions, list: ServerList): Promise<NatsConnection> {
  const timeout = options.connectTimeoutMs ?? CONNECT_TIMEOUT_MS;
  try {
    return await connect({
      servers: [...list.servers],
      ...(list.user === undefined ? {} : { user: list.user }),
      ...(list.pass === undefined ? {} : { pass: list.pass }),
      ...(list.token === undefined ? {} : { token: list.token }),
      ...(list.tls ? { tls: {} } : {}),
      name: options.name,
      timeout,
      maxReconnectAttempts: -1,
      reconnectTimeWait: RECONNECT_WAIT_MS,
      reconnectJitter: RECONNECT_WAIT_MS,
      pingInterval: PING_INTERVAL_MS,
      maxPingOut: 2,
    });
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new ZmeshError('REGISTRY_UNAVAILABLE', `NATS at ${list.shown} cannot be reached: ${why}`, {
      cause,
    });
  }
}

function watchState(nc: NatsConnection, log: Logger) {
  const listeners = new Set<(connected: boolean) => void>();
  const state = {
    connected: true,
    onState(listener: (connected: boolean) => void): () => void {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
  const change = (connected: boolean): void => {
    if (state.connected === connected) return;
    state.connected = connected;
    for (const listener of listeners) listener(connected);
  };
  const follow = async (): Promise<void> => {
    for await (const status of nc.status()) {
      if (status.type === 'disconnect') {
        log.warn('NATS lost');
        change(false);
      } else if (status.type === 'reconnect') {
        log.info({ version: nc.info?.version }, 'NATS is back');
        change(true);
      } else if (status.type === 'error') log.warn({ err: status.error }, 'NATS reports an error');
    }
  };
  void follow();
  return state;
}

async function close(nc: NatsConnection): Promise<void> {
  // A drain fails when the server is gone already; then there is nothing left to send.
  await nc.drain().catch(() => nc.close());
}
