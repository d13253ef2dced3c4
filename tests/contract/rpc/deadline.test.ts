import assert from 'node:assert/strict';
import { type ClientHttp2Session, connect, type IncomingHttpHeaders } from 'node:http2';
import { type TestContext, test } from 'node:test';
import { ErrorInfo } from '#proto/google/rpc/error_details.js';
import { Status } from '#proto/google/rpc/status.js';
import { ExpertRegistryServiceService, type WatchExpertsResponse } from '#proto/zmesh/v1/expert_registry.js';
import { createLog } from '#shared/log.js';
import { bind, type Handlers } from '#shared/rpc/bind.js';
import { serve } from '#shared/rpc/server.js';

type RegistryHandlers = Handlers<typeof ExpertRegistryServiceService>;
const SILENT_LIMIT_MS = 5000;
const BURST = 16;
const message = { revision: 1n, event: undefined, current: false };

const pause = (ms: number): Promise<void> => new Promise((go) => setTimeout(go, ms));

/** A server whose watch is `watch`, and a client without a deadline of its own: HTTP/2, frames made by hand. */
async function start(t: TestContext, watch: RegistryHandlers['watchExperts']): Promise<ClientHttp2Session> {
  const unused = (): never => assert.fail('this test does not call it');
  const others = Object.keys(ExpertRegistryServiceService).map((name) => [name, unused]);
  const handlers = { ...Object.fromEntries(others), watchExperts: watch, getModel: () => pause(1000) };
  const server = await serve({
    host: '127.0.0.1',
    port: 0,
    services: [bind(ExpertRegistryServiceService, handlers as RegistryHandlers)],
    log: createLog('test', { ZMESH_LOG_LEVEL: 'silent' }),
  });
  const session = connect(`http://${server.address}`);
  t.after(async () => {
    session.destroy();
    await server.drain(100);
  });
  return session;
}

/** Calls with `grpc-timeout`; the trailers (or headers, where there is nothing else), or what came instead. */
function call(
  session: ClientHttp2Session,
  method: string,
  timeout: string,
): Promise<IncomingHttpHeaders | string> {
  return new Promise((resolve) => {
    const stream = session.request({
      ':method': 'POST',
      ':path': `/zmesh.v1.ExpertRegistryService/${method}`,
      'content-type': 'application/grpc',
      te: 'trailers',
      'grpc-timeout': timeout,
    });
    const timer = setTimeout(() => resolve('silence'), SILENT_LIMIT_MS);
    const over = (how: IncomingHttpHeaders | string): void => {
      clearTimeout(timer);
      resolve(how);
    };
    stream.on('response', (headers) => {
      if ('grpc-status' in headers) over(headers);
    });
    stream.on('trailers', over);
    stream.on('error', (error) => over(error.message));
    stream.on('close', () => over('closed without a status'));
    stream.resume();
    stream.end(Buffer.alloc(5));
  });
}

function reasonOf(how: IncomingHttpHeaders | string): string {
  if (typeof how === 'string') return how;
  const packed = how['grpc-status-details-bin'];
  const [detail] = Status.decode(Buffer.from(String(packed ?? ''), 'base64')).details;
  return `${how['grpc-status']} ${detail ? ErrorInfo.decode(detail.value).reason : 'without details'}`;
}

test('a stream that writes until its deadline ends with DEADLINE, whatever the caller does about time', async (t) => {
  const session = await start(t, async function* (): AsyncGenerator<WatchExpertsResponse> {
    for (;;) {
      await pause(1);
      for (let i = 0; i < BURST; i++) yield message;
    }
  });
  for (let round = 0; round < 20; round++) {
    const how = await call(session, 'WatchExperts', '60m');
    assert.notEqual(
      how,
      'silence',
      `round ${round}: neither a message nor a status for ${SILENT_LIMIT_MS} ms`,
    );
    assert.match(reasonOf(how), /^4 (DEADLINE|without details)$/, `round ${round}`);
  }
});

test('a handler that does not look at its signal is answered for at the deadline, with the reason', async (t) => {
  const session = await start(t, async function* (): AsyncGenerator<WatchExpertsResponse> {
    yield message;
    await pause(1000);
  });
  assert.equal(reasonOf(await call(session, 'WatchExperts', '100m')), '4 DEADLINE');
  assert.equal(reasonOf(await call(session, 'GetModel', '100m')), '4 DEADLINE');
});
