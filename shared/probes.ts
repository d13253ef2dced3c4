import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { ZmeshError } from './errors.js';

/** How to serve metrics and probes. */
export interface ProbesOptions {
  /** Address to listen on. */
  readonly host: string;
  /** 0 = a free one; -1 = not at all. */
  readonly port: number;
  /** The metrics in Prometheus' text format; undefined where none are made. */
  readonly metrics: (() => Promise<string>) | undefined;
}

/** Metrics and probes that are served. */
export interface Probes {
  /** `host:port`. */
  readonly address: string;
  /** What `/readyz` says; false from the start. */
  setReady(ready: boolean): void;
  close(): Promise<void>;
}

const CONNECTIONS_MAX = 64;
const REQUEST_MS = 10_000;
const METRICS_TYPE = 'text/plain; version=0.0.4; charset=utf-8';

/**
 * Serves plain HTTP for what does not speak gRPC: `/metrics`, `/healthz` (200 while the process answers at all) and `/readyz`
 * (200 while it takes requests, else 503: it starts or drains). Undefined if the port is -1. Throws INVALID_FIELD with the
 * address if it cannot listen.
 */
export async function startProbes({ host, port, metrics }: ProbesOptions): Promise<Probes | undefined> {
  if (port < 0) return undefined;
  let ready = false;
  const pages: Readonly<Record<string, (response: ServerResponse) => Promise<void> | void>> = {
    '/healthz': (response) => answer(response, 200, 'ok\n'),
    '/readyz': (response) => answer(response, ready ? 200 : 503, ready ? 'ready\n' : 'not ready\n'),
    '/metrics': async (response) => {
      if (!metrics) return answer(response, 404, 'metrics are off (OTEL_SDK_DISABLED)\n');
      response.setHeader('content-type', METRICS_TYPE);
      answer(response, 200, await metrics());
    },
  };
  const server = createServer((request, response) => {
    response.setHeader('content-type', 'text/plain; charset=utf-8');
    const page = pages[pathOf(request)];
    if (!page) return answer(response, 404, 'there is /metrics, /healthz and /readyz\n');
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      response.setHeader('allow', 'GET, HEAD');
      return answer(response, 405, 'only GET and HEAD\n');
    }
    Promise.resolve(page(response)).catch((error: unknown) =>
      answer(response, 500, `failed: ${error instanceof Error ? error.message : String(error)}\n`),
    );
  });
  server.maxConnections = CONNECTIONS_MAX;
  server.requestTimeout = REQUEST_MS;
  server.headersTimeout = REQUEST_MS;
  const address = `${host}:${await listen(server, host, port)}`;
  return {
    address,
    setReady(value) {
      ready = value;
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

const pathOf = (request: IncomingMessage): string => (request.url ?? '').split('?')[0] ?? '';

function answer(response: ServerResponse, status: number, text: string): void {
  if (response.headersSent) return;
  response.statusCode = status;
  response.end(text);
}

function listen(server: Server, host: string, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      const why = error.code === 'EADDRINUSE' ? 'the port is taken' : error.message;
      const message = `cannot listen on ${host}:${port} for metrics and probes: ${why}`;
      reject(new ZmeshError('INVALID_FIELD', message, { cause: error, value: port }));
    });
    server.listen(port, host, () => resolve((server.address() as AddressInfo).port));
  });
}
