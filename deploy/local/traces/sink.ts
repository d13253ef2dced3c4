import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { ZmeshError } from '#shared/errors.js';
import { spansFromOtlp } from '#shared/telemetry/otlp-json.js';
import type { TraceSettings } from './config.js';
import { TraceStore } from './store.js';

const HOST = '127.0.0.1';
const BODY_MAX_BYTES = 16 * 1024 * 1024;
const SWEEP_MS = 500;
const LIST_DEFAULT = 50;
const LIST_MAX = 10_000;

/** A running sink. */
export interface TraceSink {
  /** What services get as `ZMESH_TRACE_SINK` and `zmesh trace` as its endpoint: `http://127.0.0.1:<port>`. */
  readonly url: string;
  readonly store: TraceStore;
  close(): Promise<void>;
}

/**
 * Starts the local trace sink on loopback: `POST /v1/traces` (OTLP/HTTP JSON, 16 MiB at most), `GET /traces?limit=50`,
 * `GET /traces/<id or its beginning>`, `GET /stats`. Throws one line if the port is taken.
 */
export async function startTraceSink(settings: TraceSettings): Promise<TraceSink> {
  const { slowMs, tracesMax, maxBytes } = settings;
  const store = new TraceStore({ slowMs, tracesMax, maxBytes });
  const server = createServer((request, response) => {
    answer(store, request).then(
      ({ status, body }) => reply(response, status, body),
      (error: unknown) => reply(response, 400, { error: ZmeshError.from(error).message }),
    );
  });
  await listen(server, settings.port);
  const sweeper = setInterval(() => store.sweep(), SWEEP_MS).unref();
  return {
    url: `http://${HOST}:${(server.address() as AddressInfo).port}`,
    store,
    async close() {
      clearInterval(sweeper);
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeAllConnections();
      await closed;
    },
  };
}

interface Reply {
  readonly status: number;
  readonly body: unknown;
}

async function answer(store: TraceStore, request: IncomingMessage): Promise<Reply> {
  // A web page that points a name of its own at loopback must not read traces.
  if (!/^(127\.0\.0\.1|localhost)(:\d+)?$/.test(request.headers.host ?? '')) {
    return { status: 403, body: { error: 'this store answers to 127.0.0.1 and localhost alone' } };
  }
  const url = new URL(request.url ?? '/', `http://${HOST}`);
  if (request.method === 'POST' && url.pathname === '/v1/traces') return takeSpans(store, request);
  if (request.method !== 'GET')
    return { status: 405, body: { error: `${request.method} is not served here` } };
  if (url.pathname === '/traces') return listTraces(store, url);
  if (url.pathname === '/stats') return { status: 200, body: store.statistics() };
  const id = /^\/traces\/([0-9a-f]{1,32})$/.exec(url.pathname)?.[1];
  return id === undefined
    ? { status: 404, body: { error: `nothing at ${url.pathname}` } }
    : findTrace(store, id);
}

async function takeSpans(store: TraceStore, request: IncomingMessage): Promise<Reply> {
  const type = request.headers['content-type'] ?? '';
  if (!/^application\/json\b/.test(type) || request.headers['content-encoding'] !== undefined) {
    return { status: 415, body: { error: 'only plain application/json is taken (OTLP/HTTP JSON)' } };
  }
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > BODY_MAX_BYTES) {
      return { status: 413, body: { error: `a body may have ${BODY_MAX_BYTES} bytes, this one has more` } };
    }
    chunks.push(chunk);
  }
  store.add(spansFromOtlp(JSON.parse(Buffer.concat(chunks).toString('utf8'))));
  return { status: 200, body: {} };
}

function listTraces(store: TraceStore, url: URL): Reply {
  const limit = Number(url.searchParams.get('limit') ?? LIST_DEFAULT);
  if (!Number.isInteger(limit) || limit < 1 || limit > LIST_MAX) {
    return { status: 400, body: { error: `limit must be a whole number from 1 to ${LIST_MAX}` } };
  }
  return { status: 200, body: store.list(limit) };
}

function findTrace(store: TraceStore, id: string): Reply {
  const [first, ...others] = store.find(id);
  if (!first) return { status: 404, body: { error: `no trace ${id} is kept here` } };
  if (others.length > 0)
    return { status: 409, body: { error: `${others.length + 1} traces begin with ${id}` } };
  return { status: 200, body: first };
}

function reply(response: ServerResponse, status: number, body: unknown): void {
  // A refused upload is not read to its end, so the connection can't be used again.
  const headers = { 'content-type': 'application/json', ...(status === 413 ? { connection: 'close' } : {}) };
  response.writeHead(status, headers).end(JSON.stringify(body));
}

function listen(server: Server, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      reject(
        error.code === 'EADDRINUSE'
          ? new Error(`trace sink: port ${port} is taken`, { cause: error })
          : error,
      );
    });
    server.listen(port, HOST, () => resolve());
  });
}
